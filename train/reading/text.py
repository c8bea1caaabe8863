"""Tables as text: CSV with any usual separator, JSON and JSON lines."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from errors import DatasetError, first_line
from images.files import path_text
from images.names import may_be_image

_SNIFFED: Final = 65_536
_SEPARATORS: Final = ",;\t|"


@dataclass(frozen=True)
class TextTable:
    """``lines``: the number of the line of each of ``rows``, for people."""

    names: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]
    lines: Sequence[int]


def read_text(path: Path) -> TextTable | None:
    """The table in a file, by its suffix; None for JSON that is none.

    Raises DatasetError if it cannot be read, or is not what its suffix says.
    """
    try:
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path_text(path)} cannot be read: {error.strerror}.") from error
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return _csv(path, text)
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(path, text)
    try:
        return _of_json(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path_text(path)} is not JSON: {first_line(error)}.") from error


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _csv(path: Path, text: str) -> TextTable:
    try:
        separator = csv.Sniffer().sniff(text[:_SNIFFED], _SEPARATORS).delimiter
    except csv.Error:
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
    rows: list[Mapping[str, Any]] = []
    lines: list[int] = []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        names = [cell.strip() for cell in next(reader, [])]
        if any(may_be_image(Path(cell)) for cell in names):
            # No header: the first line has a file already.
            names = ["file", "label", *(f"column {place}" for place in range(3, len(names) + 1))]
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(dict(zip(names, (cell.strip() for cell in cells), strict=False)))
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DatasetError(f"{path_text(path)} is not CSV: {first_line(error)}.") from error
    return TextTable(tuple(names), rows, lines)


def _json_lines(path: Path, text: str) -> TextTable:
    rows: list[Mapping[str, Any]] = []
    lines: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise DatasetError(f"Line {number} of {path_text(path)} is not a JSON object.")
        rows.append(row)
        lines.append(number)
    return TextTable(_names(rows), rows, lines)


def _of_json(value: Any) -> TextTable | None:
    """A list of objects, or an object of files and labels."""
    if (
        isinstance(value, dict)
        and value
        and all(
            isinstance(label, str | int) and may_be_image(Path(name))
            for name, label in value.items()
        )
    ):
        value = [{"file": name, "label": label} for name, label in value.items()]
    if not isinstance(value, list) or not value or not all(isinstance(row, dict) for row in value):
        return None
    return TextTable(_names(value), value, range(1, len(value) + 1))


def _names(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row))
