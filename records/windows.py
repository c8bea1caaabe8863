"""What happened in a stretch of time: predictions with what is known of them, and traffic."""

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, union

from records.chunks import chunks
from records.columns import Label
from records.database import Database
from records.schema import images, labels, predictions
from records.schema import traffic as traffic_table


@dataclass(frozen=True)
class Record:
    """One prediction that was kept.

    ``probabilities`` are little-endian float32, in the order of the version's labels. ``truth`` is
    the current label, none where there is none or where sources disagree (``conflict``);
    ``labels`` has the current one of every source, by its name.
    """

    id: int
    request_id: str
    model: str
    version: str
    role: str
    at: datetime
    status: int
    reason: str | None
    label: Label | None
    confidence: float | None
    probabilities: bytes | None
    weight: float | None
    image: bytes | None
    truth: Label | None
    conflict: bool
    origin: str = "traffic"
    labels: tuple[tuple[str, Label], ...] = ()


@dataclass(frozen=True)
class Traffic:
    """Requests of one minute; for kinds and keys see records.schema.traffic."""

    minute: datetime
    model: str
    version: str
    role: str
    kind: str
    key: str
    count: int


def window(
    database: Database,
    model: str,
    *,
    version: str | None = None,
    role: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int | None = 1000,
    seed: int = 0,
    labelled: bool = False,
    status: int | None = 200,
    origins: Collection[str] = ("traffic",),
    with_images: bool = True,
) -> list[Record]:
    """The predictions from ``start`` until before ``end``, in the order in which they were kept.

    If there are more than ``limit``, a uniform sample of them, the same for the same seed; their
    weights stay what they are. ``labelled`` takes only those with a label, also where sources
    disagree. ``status`` none takes rejected requests too. Raises DatabaseError.
    """
    chosen = conditions(
        model,
        version=version,
        role=role,
        start=start,
        end=end,
        labelled=labelled,
        status=status,
        origins=origins,
    )
    with database.reading() as connection:
        ids: Sequence[int] = list(
            connection.execute(
                select(predictions.c.id).where(*chosen).order_by(predictions.c.id)
            ).scalars()
        )
        if limit is not None and len(ids) > limit:
            ids = sorted(random.Random(seed).sample(ids, limit))  # noqa: S311 - no secret
        return read(connection, ids, with_images=with_images)


def conditions(
    model: str | None,
    *,
    version: str | None = None,
    role: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    labelled: bool = False,
    status: int | None = None,
    origins: Collection[str] = (),
) -> list[ColumnElement[bool]]:
    """What a prediction must be; without an argument, no condition."""
    column = predictions.c
    equal = {"model": model, "version": version, "role": role, "status": status}
    found: list[ColumnElement[bool]] = [
        column[name] == value for name, value in equal.items() if value is not None
    ]
    if start is not None:
        found.append(column.at >= start)
    if end is not None:
        found.append(column.at < end)
    if origins:
        found.append(column.origin.in_(sorted(origins)))
    if labelled:
        one = select(labels.c.id).where(labels.c.prediction_id == column.id)
        found.append(one.correlate(predictions).exists())
    return found


def read(connection: Connection, ids: Iterable[int], *, with_images: bool = True) -> list[Record]:
    """The predictions of these ids, in order of id."""
    records = []
    for chunk in chunks(sorted(ids)):
        statement = select(predictions).order_by(predictions.c.id)
        if with_images:
            statement = statement.add_columns(images.c.content).join(images, isouter=True)
        current: dict[int, dict[str, Label]] = {}
        for id_, source, label in connection.execute(
            select(labels.c.prediction_id, labels.c.source, labels.c.label)
            .where(labels.c.prediction_id.in_(chunk))
            .order_by(labels.c.id)
        ):
            current.setdefault(id_, {})[source] = label
        rows = connection.execute(statement.where(predictions.c.id.in_(chunk))).mappings()
        records += [_record(row, current.get(row["id"], {})) for row in rows]
    return records


def _record(row: Any, current: dict[str, Label]) -> Record:
    # 8 and "8" are two labels, and to Python two values too.
    said = set(current.values())
    return Record(
        id=row["id"],
        request_id=row["request_id"],
        model=row["model"],
        version=row["version"],
        role=row["role"],
        at=row["at"],
        status=row["status"],
        reason=row["reason"],
        label=row["label"],
        confidence=row["confidence"],
        probabilities=row["probabilities"],
        weight=row["weight"],
        image=row.get("content"),
        truth=next(iter(said)) if len(said) == 1 else None,
        conflict=len(said) > 1,
        origin=row["origin"],
        labels=tuple(sorted(current.items())),
    )


def traffic(
    database: Database,
    model: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[Traffic]:
    """The counts of all requests, kept or not, from ``start`` until before ``end``, by minute."""
    column = traffic_table.c
    statement = select(traffic_table).order_by(*traffic_table.primary_key.columns)
    if model is not None:
        statement = statement.where(column.model == model)
    if start is not None:
        statement = statement.where(column.minute >= start)
    if end is not None:
        statement = statement.where(column.minute < end)
    with database.reading() as connection:
        return [Traffic(*row) for row in connection.execute(statement)]


def models(database: Database) -> list[str]:
    """Every model that has predictions or traffic, by name."""
    statement = union(select(predictions.c.model), select(traffic_table.c.model))
    with database.reading() as connection:
        return sorted(connection.execute(statement).scalars())


def latest_at(database: Database, model: str, version: str | None = None) -> datetime | None:
    """When the newest kept request of a model came; none where there is none."""
    chosen = conditions(model, version=version, origins=("traffic",))
    with database.reading() as connection:
        found: datetime | None = connection.execute(
            select(func.max(predictions.c.at)).where(*chosen)
        ).scalar_one()
        return found


def start_of_newest(
    database: Database,
    model: str,
    count: int,
    *,
    version: str | None = None,
    end: datetime | None = None,
) -> datetime | None:
    """When the ``count``-th newest kept request before ``end`` came, or the first if there are
    fewer; none where there is none."""
    chosen = conditions(model, version=version, end=end, origins=("traffic",))
    newest = select(predictions.c.at).where(*chosen).order_by(predictions.c.at.desc()).limit(count)
    with database.reading() as connection:
        found: datetime | None = connection.execute(
            select(func.min(newest.subquery().c.at))
        ).scalar_one()
        return found
