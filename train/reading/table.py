"""Lists of images and labels: CSV, JSON, JSON lines and Parquet, in a folder or by themselves."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from errors import DatasetError
from images.files import path_text
from images.names import Part, part_of
from labels import nfc, plain
from models.manifest import Label
from train.dataset import Skipped
from train.reading.columns import Chosen, Columns, choose
from train.reading.layout import is_list
from train.reading.listing import Chained, Image, Listing, Row, Side, listed
from train.reading.lookup import Lookup
from train.reading.parquet import ParquetImages, ParquetTable
from train.reading.text import read_text
from train.reading.tree import Folder

_SAMPLE: Final = 50
_INTEGER: Final = re.compile(r"-?(0|[1-9]\d{0,17})(\.0+)?")
_NO_FILE: Final = "it does not exist, or several files are named so"


class Entry(NamedTuple):
    """A row of a table, unchecked. ``image``: the name of a file; None if the table has bytes."""

    where: str
    image: str | None
    label: object
    part: Part | None
    group: str | None


@dataclass(frozen=True)
class Table:
    """A list with a column of images and one of labels."""

    path: Path
    chosen: Chosen
    entries: Sequence[Entry] = field(repr=False)
    stored: bool = False


def read_table(path: Path, columns: Columns, lookup: Lookup) -> Table | None:
    """The table in a file, by its suffix; None without images and labels.

    Raises DatasetError if it cannot be read, or has not the columns that were named.
    """
    where = path_text(path)
    if path.suffix.lower() in (".parquet", ".pq"):
        return _parquet(path, columns, lookup)
    text = read_text(path)
    if text is None:
        return None
    some = text.rows[:_SAMPLE]
    chosen = choose(where, text.names, text.rows, columns, lambda name: _are(some, name, lookup))
    if chosen is None:
        return None
    unit = "line" if path.suffix.lower() != ".json" else "entry"
    entries = [
        _entry(f"{path.name}, {unit} {line}", row, chosen)
        for row, line in zip(text.rows, text.lines, strict=True)
    ]
    return Table(path, chosen, entries)


def _parquet(path: Path, columns: Columns, lookup: Lookup) -> Table | None:
    table = ParquetTable.open(path)
    some = table.sample()

    def is_image(name: str) -> bool:
        return name in table.binary or _are(some[:_SAMPLE], name, lookup)

    chosen = choose(path_text(path), table.names, some, columns, is_image)
    if chosen is None:
        return None
    stored = chosen.image in table.binary
    one_hot = chosen.one_hot
    wanted = [chosen.image, chosen.label, chosen.split, chosen.group, *one_hot]
    entries = []
    for number, row in enumerate(table.rows([one for one in wanted if one]), start=1):
        entry = _entry(f"{path.name}, row {number}", row, chosen)
        if chosen.label is not None:
            entry = entry._replace(label=table.label(chosen.label, entry.label))
        entries.append(entry)
    return Table(path, chosen, entries, stored)


def _entry(where: str, row: Mapping[str, Any], chosen: Chosen) -> Entry:
    image, label = row.get(chosen.image), None
    if isinstance(image, Mapping):
        image = image.get("path")
    if chosen.label is not None:
        label = row.get(chosen.label)
    else:
        ones = [name for name in chosen.one_hot if str(row.get(name)).casefold() in _ONES]
        label = ones[0] if len(ones) == 1 else None
    part = part_of(str(row.get(chosen.split))) if chosen.split else None
    group = row.get(chosen.group) if chosen.group else None
    name = None if image is None else str(plain(image))
    return Entry(where, name, label, part, None if group is None else str(plain(group)))


_ONES: Final = ("1", "1.0", "true")


def _are(rows: Sequence[Mapping[str, Any]], name: str, lookup: Lookup) -> bool:
    """Whether a column has names of files that are there."""
    for row in rows:
        value = plain(row.get(name))
        if isinstance(value, Mapping):
            value = value.get("path")
        usable = isinstance(value, str | int) and not isinstance(value, bool)
        if usable and lookup.find(str(value)) is not None:
            return True
    return False


def folder_tables(folder: Folder, columns: Columns) -> list[Table]:
    """The tables of a folder, or of its ``data`` if it has no other, as on the Hugging Face Hub."""
    lookup = Lookup(folder.path)
    files = [file for file in folder.files if is_list(file)]
    if not files:
        files = [
            file
            for one in folder.folders
            for file in one.files
            if file.suffix.lower() in (".parquet", ".pq")
        ]
    # An example of what to hand in has labels, too, that are made up.
    files = [file for file in files if "submission" not in file.name.casefold()]
    loose = Columns(group=columns.group)

    def read(file: Path) -> Table | None:
        try:
            return read_table(file, columns, lookup)
        except DatasetError:
            # Of several files, one that is no list of labels need not have the columns.
            if len(files) == 1 or read_table(file, loose, lookup) is not None:
                raise
            return None

    return [table for table in map(read, files) if table is not None]


def table_listing(tables: Sequence[Table], folder: Path, name: str) -> Listing:
    """The images of tables, whose files are looked for in and below ``folder``.

    Raises DatasetError if several tables are no parts of one, or none of their files is there.
    """
    parts = {table.path: part_of(table.path.stem) for table in tables}
    several = len(tables) > 1
    if several and None in parts.values() and not all(table.stored for table in tables):
        names = listed(path_text(table.path.name) for table in tables)
        raise DatasetError(
            f"The data folder {path_text(folder)} has several lists of labels ({names}): name one "
            "with --data."
        )
    skipped: list[Skipped] = []
    rows: list[Row] = []
    images: list[Iterable[Image]] = []
    unlabelled = total = 0
    seen: set[tuple[Path | None, Label]] = set()
    lookup = Lookup(folder)
    integers = _are_integers(entry.label for table in tables for entry in table.entries)
    for table in tables:
        kept: list[int] = []
        files: list[Image] = []
        total += len(table.entries)
        for number, entry in enumerate(table.entries):
            part = entry.part or (parts[table.path] if several else None)
            try:
                label = _label(entry.label, integers=integers)
            except DatasetError as error:
                skipped.append(Skipped(entry.where, str(error)))
                continue
            if label is None:
                unlabelled += 1
                continue
            file = None if table.stored else lookup.find(entry.image or "", part or "")
            if file is None and not table.stored:
                named = entry.image or "no file"
                skipped.append(Skipped(path_text(f"{entry.where} ({named})"), _NO_FILE))
                continue
            # Tables of boxes have a row for each.
            if file is not None and (file, label) in seen:
                continue
            seen.add((file, label))
            rows.append(_row(entry, label, file, part))
            kept.append(number)
            files.append(file)
        images.append(
            ParquetImages(table.path, table.chosen.image, kept) if table.stored else files
        )
    names = listed(path_text(table.path.name) for table in tables)
    if not rows:
        raise DatasetError(_nothing(names, folder, skipped, total, unlabelled))
    notes = [_columns_note(tables[0], names)]
    if unlabelled:
        notes.append(f"{unlabelled:,} of {total:,} rows of {names} have no label and are left out.")
    sided = _with_sides(rows)
    if any(row.side for row in sided):
        held = sum(row.side == "holdout" for row in sided)
        notes.append(f"{names}: {held:,} of {len(sided):,} images are held out, as it says.")
    return Listing(name, tuple(sided), Chained(tuple(images)), tuple(skipped), tuple(notes))


def _row(entry: Entry, label: Label, file: Path | None, part: Part | None) -> Row:
    side: Side | None = None
    if part is not None:
        side = "train" if part == "train" else "holdout"
    where = entry.where if file is None else path_text(file)
    return Row(where, label, entry.image or entry.where, side, entry.group)


def _with_sides(rows: Sequence[Row]) -> list[Row]:
    """Without sides, unless there are images on both."""
    if {row.side for row in rows} >= {"train", "holdout"}:
        return [replace(row, side=row.side or "train") for row in rows]
    return [replace(row, side=None) for row in rows]


def _columns_note(table: Table, names: str) -> str:
    chosen = table.chosen
    label = f"column {chosen.label!r}" if chosen.label else f"{len(chosen.one_hot):,} columns"
    return f"Labels are from the {label} of {names}, images from {chosen.image!r}."


def _nothing(
    names: str, folder: Path, skipped: Sequence[Skipped], total: int, unlabelled: int
) -> str:
    if unlabelled == total:
        return f"None of the {total:,} rows of {names} has a label: choose another --label-column."
    first = skipped[0]
    return (
        f"None of the {total:,} rows of {names} can be used, such as {first.path}: {first.reason}; "
        f"files are looked for in and below {path_text(folder)}."
    )


def _are_integers(labels: Iterable[object]) -> bool:
    """As pandas would read them; numbers with leading zeros are names."""
    some = False
    for label in labels:
        if label is None or label == "" or label != label:
            continue
        if isinstance(label, bool) or _INTEGER.fullmatch(str(label).strip()) is None:
            return False
        some = True
    return some


def _label(value: object, *, integers: bool) -> Label | None:
    """None without one; raises DatasetError, with the reason, for what is no single label."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, list | tuple | Mapping | bytes):
        raise DatasetError("it has several labels, but only one per image is supported")
    value = plain(value)
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    text = nfc(str(value)).strip()
    if not text:
        return None
    return int(text.partition(".")[0]) if integers else text
