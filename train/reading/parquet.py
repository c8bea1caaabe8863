"""Parquet files with images or names of files, as ``python -m records export``, Hugging Face's
datasets and pandas write them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from errors import DatasetError, RecordsError, first_line
from images.files import path_text
from records.parquet import pyarrow

_ROWS: Final = 64
_SAMPLE: Final = 200


@dataclass(frozen=True)
class ParquetTable:
    """A file's columns; those of ``binary`` have images as bytes, maybe in structs.

    ``classes``: the names that the numbers of a column stand for, as Hugging Face keeps them.
    """

    path: Path
    names: tuple[str, ...]
    binary: frozenset[str]
    classes: Mapping[str, Sequence[str]]

    @classmethod
    def open(cls, path: Path) -> "ParquetTable":
        """Raises DatasetError if it is no Parquet file, or pyarrow is not installed."""
        try:
            pa = pyarrow()
        except RecordsError as error:
            raise DatasetError(str(error)) from None
        import pyarrow.parquet as pq

        try:
            schema = pq.read_schema(path)
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(
                f"{path_text(path)} cannot be read as Parquet: {first_line(error)}."
            ) from None
        binary = set()
        for one in schema:
            kind = one.type
            if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
                kind = kind.field(kind.get_field_index("bytes")).type
            if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
                binary.add(one.name)
        classes = _classes(schema.metadata or {})
        return cls(path, tuple(schema.names), frozenset(binary), classes)

    def rows(self, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Without the columns of images, which are read when they are needed."""
        wanted = [name for name in dict.fromkeys(columns) if name not in self.binary]
        pa = pyarrow()
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path) as file:
                if not wanted:
                    yield from ({} for _ in range(file.metadata.num_rows))
                    return
                for batch in file.iter_batches(4096, columns=wanted):
                    yield from batch.to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise _damaged(self.path, error) from None

    def sample(self) -> list[Mapping[str, Any]]:
        found = []
        for row in self.rows(self.names):
            found.append(row)
            if len(found) == _SAMPLE:
                break
        return found

    def label(self, column: str, value: object) -> object:
        names = self.classes.get(column)
        if names is not None and isinstance(value, int) and 0 <= value < len(names):
            return names[value]
        return value


@dataclass(frozen=True)
class ParquetImages:
    """The images of the rows ``kept``, in order; a few at a time in memory."""

    path: Path
    column: str
    kept: Sequence[int] = field(repr=False)

    def __iter__(self) -> Iterator[Path | bytes | None]:
        pa = pyarrow()
        import pyarrow.parquet as pq

        wanted = iter(self.kept)
        following = next(wanted, None)
        number = -1
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(_ROWS, columns=[self.column]):
                    if following is None:
                        return
                    # Batches whose images nobody wants stay undecoded.
                    if following > number + batch.num_rows:
                        number += batch.num_rows
                        continue
                    for value in batch.column(0):
                        number += 1
                        if number == following:
                            yield self._image(value.as_py())
                            following = next(wanted, None)
        except (OSError, pa.ArrowException) as error:
            raise _damaged(self.path, error) from None

    def _image(self, value: object) -> Path | bytes | None:
        if isinstance(value, Mapping):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, str) and value:
            return self.path.parent / value
        return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else None


def _classes(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        for name, feature in features.items():
            names = feature.get("names")
            if isinstance(names, list) and all(isinstance(one, str) for one in names):
                found[name] = names
    return found


def _damaged(path: Path, error: BaseException) -> DatasetError:
    return DatasetError(f"{path_text(path)} cannot be read as Parquet: {first_line(error)}.")
