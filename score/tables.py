"""Parquet files with a column of images."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from errors import ScoreError, first_line
from images.files import path_text
from score.scorer import Image
from score.source import CHUNK_BYTES, CHUNK_ROWS, Gap, Item, Summary

_MISSING = "there is no image in this row"

# Bytes of a column per read; without it, all images of a row group are read at once.
_BUFFER_BYTES = 2**20


class ParquetSource:
    """Rows of one or several files, in the given order of the files.

    The image column has bytes, or structs with ``bytes`` and ``path`` as Hugging Face's datasets
    write them. Without an id column, the id is the row number, counted across all files.
    """

    def __init__(
        self, root: Path, files: Sequence[Path], image_column: str, id_column: str | None
    ) -> None:
        """Raises ScoreError if a file is not Parquet, or its columns are missing or not usable."""
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
                count = file.metadata.num_rows
            status = path.stat()
            name = path_text(path.relative_to(self._root))
            digest.update(f"{name}\0{status.st_size} {status.st_mtime_ns} {count}\n".encode())
            rows += count
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
        """The rows inside of the gap of a file whose first row is number ``start``."""
        columns = [self._image] if self._id is None else [self._image, self._id]
        for group in range(file.num_row_groups):
            metadata = file.metadata.row_group(group)
            end = start + metadata.num_rows
            if start < gap.end and gap.first < end:
                size = max(1, metadata.total_byte_size // max(1, metadata.num_rows))
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
                        f"{path_text(path)} cannot be read: {first_line(error)}."
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
        for number, (name, value) in enumerate(zip(ids, images, strict=True), start + first):
            image = _image(value.as_py())
            yield number, Item(name, image, len(image))

    def _check(self) -> pa.DataType:
        id_type: pa.DataType | None = None
        for path in self._files:
            with _open(path) as file:
                schema = file.schema_arrow
            image = self._type(path, schema, self._image)
            if pa.types.is_struct(image):
                index = image.get_field_index("bytes")
                image = image.field(index).type if index >= 0 else image
            if not _is_bytes(image):
                raise ScoreError(
                    f"The column {self._image} of {path_text(path)} is {image}, but must be binary "
                    "or a struct with binary bytes; choose another with --image-column."
                )
            if self._id is not None:
                type_here = self._type(path, schema, self._id)
                if pa.types.is_nested(type_here) or pa.types.is_dictionary(type_here):
                    raise ScoreError(
                        f"The column {self._id} of {path_text(path)} is {type_here}, but an id "
                        "must be a plain value."
                    )
                if id_type not in (None, type_here):
                    raise ScoreError(
                        f"The column {self._id} is {id_type} in the first file and {type_here} in "
                        f"{path_text(path)}, but must be the same in all."
                    )
                id_type = type_here
        return id_type or pa.int64()

    def _type(self, path: Path, schema: pa.Schema, column: str) -> pa.DataType:
        if schema.names.count(column) != 1:
            raise ScoreError(
                f"{path_text(path)} does not have exactly one column {column!r}; its columns are "
                f"{', '.join(map(repr, schema.names)) or 'none'}: choose with --image-column and "
                "--id-column."
            )
        return schema.field(column).type


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise ScoreError(
            f"{path_text(path)} cannot be read as Parquet: {first_line(error)}."
        ) from error


def _image(value: Any) -> Image:
    if isinstance(value, dict):
        path = value.get("path")
        value = value["bytes"]
        if value is None and path:
            return f"there are no bytes in this row, only the path {path}"
    return _MISSING if value is None else bytes(value)


def _is_bytes(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(type_)
        or pa.types.is_large_binary(type_)
        or pa.types.is_binary_view(type_)
        or pa.types.is_fixed_size_binary(type_)
    )
