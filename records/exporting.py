"""Exports records to a Parquet file: a row for each prediction, with its image and label."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlalchemy import ColumnElement, Connection, Text, func, or_, select, type_coerce

from records.database import Database
from records.newfile import new_file
from records.parquet import pyarrow
from records.rollout_schema import pairs
from records.schema import labels, predictions
from records.windows import Record, conditions, read

if TYPE_CHECKING:
    import pyarrow as pa

# Limits of a row group, which is held in memory.
_GROUP_ROWS: Final = 1000
_GROUP_BYTES: Final = 32 * 1024 * 1024

# Columns named as clients know them: ``label`` is the true one, as in imports.
_FIELDS: Final = {"prediction": "label", "label": "truth"}
# What the other version of a rollout made of the same image.
_OF_PAIR: Final = {
    "rollout": "rollout_id",
    "other_version": "version",
    "other_prediction": "label",
    "other_probabilities": "probabilities",
    "other_failure": "failure",
}


@dataclass(frozen=True)
class Exported:
    rows: int
    bytes: int


def export(
    database: Database,
    path: Path,
    *,
    model: str | None = None,
    version: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    labelled: bool = False,
    origins: Collection[str] = (),
    with_images: bool = True,
    overwrite: bool = False,
    tell: Callable[[int], None] | None = None,
) -> Exported:
    """Write a consistent snapshot of the chosen predictions to ``path``: all of them, or no file.

    ``prediction``, and ``label``, on which the sources agree, are int64 columns if every label is
    an integer, else strings; ``labels`` is JSON, the current label of each source;
    ``probabilities`` are lists of float32. ``tell`` is called with the number of rows that are
    written, now and then. Raises RecordsError if the file cannot be written, and
    DatabaseError.
    """
    pa = pyarrow()
    import pyarrow.parquet as pq

    chosen = conditions(
        model, version=version, start=start, end=end, labelled=labelled, origins=origins
    )
    rows = 0
    with new_file(path, overwrite=overwrite) as part, database.reading() as connection:
        schema = _schema(pa, connection, chosen)
        with part.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as out:
            for ids in _groups(connection, chosen):
                records = read(connection, ids, with_images=with_images)
                out.write_table(_table(pa, records, schema))
                rows += len(records)
                if tell is not None:
                    tell(rows)
    return Exported(rows, path.stat().st_size)


def _groups(
    connection: Connection, chosen: Sequence[ColumnElement[bool]]
) -> Iterator[Sequence[int]]:
    """Ids in order, in groups whose images fit into memory."""
    last = 0
    ids: list[int] = []
    size = 0
    while True:
        page = connection.execute(
            select(predictions.c.id, predictions.c.image_bytes)
            .where(predictions.c.id > last, *chosen)
            .order_by(predictions.c.id)
            .limit(_GROUP_ROWS)
        ).all()
        if not page:
            break
        last = page[-1][0]
        for id_, image_bytes in page:
            if ids and (len(ids) == _GROUP_ROWS or size + image_bytes > _GROUP_BYTES):
                yield ids
                ids, size = [], 0
            ids.append(id_)
            size += image_bytes
    if ids:
        yield ids


def _schema(pa: Any, connection: Connection, chosen: Sequence[ColumnElement[bool]]) -> "pa.Schema":
    label = pa.int64() if _all_integers(connection, chosen) else pa.string()
    return pa.schema(
        [
            ("id", pa.int64()),
            ("request_id", pa.string()),
            ("model", pa.string()),
            ("version", pa.string()),
            ("role", pa.string()),
            ("origin", pa.string()),
            ("at", pa.timestamp("us", tz="UTC")),
            ("status", pa.int32()),
            ("reason", pa.string()),
            ("prediction", label),
            ("confidence", pa.float64()),
            ("probabilities", pa.list_(pa.float32())),
            ("weight", pa.float64()),
            ("known", pa.bool_()),
            ("abstained", pa.bool_()),
            ("label", label),
            ("conflict", pa.bool_()),
            ("labels", pa.string()),
            ("drawn", pa.string()),
            ("rollout", pa.int64()),
            ("other_version", pa.string()),
            ("other_prediction", label),
            ("other_probabilities", pa.list_(pa.float32())),
            ("other_failure", pa.string()),
            ("image", pa.binary()),
        ]
    )


def _all_integers(connection: Connection, chosen: Sequence[ColumnElement[bool]]) -> bool:
    """Whether all labels are integers that are sure to fit into 64 bits."""
    for column in (predictions.c.label, labels.c.label, pairs.c.label):
        stored = type_coerce(column, Text)
        statement = select(predictions.c.id).where(
            or_(stored.like('"%'), func.length(stored) > 18), *chosen
        )
        if column.table is not predictions:
            of_prediction = column.table.c.prediction_id == predictions.c.id
            statement = statement.join(column.table, of_prediction)
        if connection.execute(statement.limit(1)).first() is not None:
            return False
    return True


def _table(pa: Any, records: Sequence[Record], schema: "pa.Schema") -> "pa.Table":
    columns: dict[str, list[Any]] = {
        field.name: [getattr(record, _FIELDS.get(field.name, field.name)) for record in records]
        for field in schema
        if field.name not in _OF_PAIR
    }
    for name, attribute in _OF_PAIR.items():
        columns[name] = [record.pair and getattr(record.pair, attribute) for record in records]
    columns["other_probabilities"] = [_floats(each) for each in columns["other_probabilities"]]
    columns["labels"] = [json.dumps(dict(record.labels)) for record in records]
    columns["probabilities"] = [_floats(record.probabilities) for record in records]
    for field in schema:
        if field.type == pa.string():
            columns[field.name] = [_text(value) for value in columns[field.name]]
    return pa.table(columns, schema=schema)


def _floats(content: bytes | None) -> Any:
    return None if content is None or len(content) % 4 else np.frombuffer(content, "<f4")


def _text(value: object) -> str | None:
    """Lone UTF-16 surrogates, which Parquet cannot store, as escapes."""
    if value is None:
        return None
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
