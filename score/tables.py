"""Parquet files with a column of images."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from errors import ScoreError
from score.scorer import Image
from score.source import CHUNK_BYTES, CHUNK_ROWS, Gap, Item, Summary, printable

_MISSING = "there is no image in this row"

# What one read takes of a column at a time; without it, a row group's images come all at once.
_BUFFER_BYTES = 2**20


class ParquetSource:
    """Rows of one or several files, in the order of the files given.

    The image column holds bytes, or structs with ``bytes`` and ``path`` as Hugging Face's datasets
    write them. Without an id column, the id is the row's number, counted through all files.
    """

    def __init__(
        self, root: Path, files: Sequence[Path], image_column: str, id_column: str | None
    ) -> None:
        """Raises ScoreError if a file is no Parquet, or has not these columns of these types."""
        self._root = root
        self._files = files
        self._image = image_column
        self._id = id_column
        self.id_type = self._check()

    def summary(self) -> Summary:
        digest = hashlib.sha256()
        rows = 0
        for path in self._files:
            with _open(path) as file:
                found = file.metadata.num_rows
            status = path.stat()
            name = printable(path.relative_to(self._root))
            digest.update(f"{name}\0{status.st_size} {status.st_mtime_ns} {found}\n".encode())
            rows += found
        return Summary(rows, digest.hexdigest())

    def items(self, gaps: Iterable[Gap]) -> Iterator[tuple[int, Item]]:
        for gap in gaps:
            start = 0
            for path in self._files:
                with _open(path) as file:
                    rows = file.metadata.num_rows
                    if start < gap.end and gap.first < start + rows:
                        yield from self._rows(file, path, start, gap)
                start += rows

    def _rows(
        self, file: pq.ParquetFile, path: Path, start: int, gap: Gap
    ) -> Iterator[tuple[int, Item]]:
        """The rows of one file, whose first is number ``start``, that are inside the gap."""
        columns = [self._image] if self._id is None else [self._image, self._id]
        for group in range(file.num_row_groups):
            found = file.metadata.row_group(group)
            end = start + found.num_rows
            if start < gap.end and gap.first < end:
                size = max(1, found.total_byte_size // max(1, found.num_rows))
                read = max(1, min(CHUNK_ROWS, CHUNK_BYTES // size))
                try:
                    number = start
                    for batch in file.iter_batches(read, [group], columns, use_threads=False):
                        yield from self._batch(batch, number, gap)
                        number += batch.num_rows
                        if number >= gap.end:
                            return
                except (pa.ArrowException, OSError) as error:
                    raise ScoreError(
                        f"{printable(path)} cannot be read: {_first_line(error)}."
                    ) from error
            start = end

    def _batch(self, batch: pa.RecordBatch, start: int, gap: Gap) -> Iterator[tuple[int, Item]]:
        first = max(gap.first - start, 0)
        batch = batch.slice(first, min(gap.end - start, batch.num_rows) - first)
        images = batch.column(self._image)
        ids = (
            range(start + first, start + first + batch.num_rows)
            if self._id is None
            else batch.column(self._id)
        )
        for place, (name, value) in enumerate(zip(ids, images, strict=True)):
            image = _image(value.as_py())
            yield start + first + place, Item(name, image, len(image))

    def _check(self) -> pa.DataType:
        id_type: pa.DataType | None = None
        for path in self._files:
            with _open(path) as file:
                schema = file.schema_arrow
            image = self._type(path, schema, self._image)
            if pa.types.is_struct(image):
                place = image.get_field_index("bytes")
                image = image.field(place).type if place >= 0 else image
            if not _is_bytes(image):
                raise ScoreError(
                    f"The column {self._image} of {printable(path)} is {image}, and must be binary "
                    "or a struct with binary bytes; name another with --image-column."
                )
            if self._id is not None:
                found = self._type(path, schema, self._id)
                if pa.types.is_nested(found) or pa.types.is_dictionary(found):
                    raise ScoreError(
                        f"The column {self._id} of {printable(path)} is {found}, and an id must be "
                        "a plain value."
                    )
                if id_type not in (None, found):
                    raise ScoreError(
                        f"The column {self._id} is {id_type} in the first file and {found} in "
                        f"{printable(path)}, and must be the same in all."
                    )
                id_type = found
        return id_type or pa.int64()

    def _type(self, path: Path, schema: pa.Schema, column: str) -> pa.DataType:
        if schema.names.count(column) != 1:
            raise ScoreError(
                f"{printable(path)} has no one column {column!r}, only "
                f"{', '.join(map(repr, schema.names)) or 'none'}; choose with --image-column and "
                "--id-column."
            )
        return schema.field(column).type


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise ScoreError(
            f"{printable(path)} cannot be read as Parquet: {_first_line(error)}."
        ) from error


def _image(value: Any) -> Image:
    if isinstance(value, dict):
        path = value.get("path")
        value = value["bytes"]
        if value is None and path:
            return f"there are no bytes in this row, only the path {path}"
    return _MISSING if value is None else bytes(value)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
