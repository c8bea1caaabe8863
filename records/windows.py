"""Kept predictions of a period of time, with their labels."""

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, or_, select, union

from labels import plain
from records.chunks import chunks
from records.database import Database
from records.labelled import has_label
from records.prediction import KeptPrediction, Label
from records.requests import drawn_as
from records.rollout_schema import pairs
from records.routing import Pair
from records.schema import images, labels, predictions, traffic

# Readers get the image itself instead of its size.
_FIELDS = tuple(column for column in predictions.columns if column.name != "image_bytes")


@dataclass(slots=True, kw_only=True)
class Record(KeptPrediction):
    """A kept prediction as it is read: with its id, and the current label of each source.

    ``drawn``: how its image was chosen to be labelled, see ``records.requests``; None without a
    label, and for one from before that was kept.
    """

    id: int
    labels: tuple[tuple[str, Label], ...] = ()
    drawn: str | None = None

    @property
    def truth(self) -> Label | None:
        """The label that all sources agree on; None if there is none, or they disagree."""
        distinct = self._distinct
        return next(iter(distinct)) if len(distinct) == 1 else None

    @property
    def conflict(self) -> bool:
        """Whether sources disagree."""
        return len(self._distinct) > 1

    @property
    def _distinct(self) -> set[Label]:
        # 8 and "8" are two labels, and two values in Python.
        return {plain(label) for _, label in self.labels}


def window(
    database: Database,
    model: str,
    *,
    version: str | None = None,
    role: str | None = None,
    or_roles: Collection[str] = (),
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int | None = 1000,
    seed: int = 0,
    labelled: bool = False,
    status: int | None = 200,
    origins: Collection[str] = ("traffic",),
    with_images: bool = True,
    by_chance: bool = False,
) -> list[Record]:
    """The predictions from ``start`` until before ``end``, in the order in which they were kept.

    If there are more than ``limit``, a uniform sample of them, the same for the same seed, with
    unchanged weights. ``or_roles``: also those of any version that answered in one of these roles.
    ``labelled``: only those with a label, including those whose sources
    disagree. ``status`` None: rejected requests too. ``by_chance``: without those that were kept
    only because their image is unknown. Raises DatabaseError.
    """
    chosen = conditions(
        model,
        version=version,
        role=role,
        or_roles=or_roles,
        start=start,
        end=end,
        labelled=labelled,
        status=status,
        origins=origins,
    )
    if by_chance:
        chosen.append(kept_by_chance())
    with database.reading() as connection:
        ids: Sequence[int] = list(
            connection.execute(
                select(predictions.c.id).where(*chosen).order_by(predictions.c.id)
            ).scalars()
        )
        if limit is not None and len(ids) > limit:
            ids = sorted(random.Random(seed).sample(ids, limit))  # noqa: S311 - not used for secrets
        return read(connection, ids, with_images=with_images)


def kept_by_chance() -> ColumnElement[bool]:
    """A condition: the prediction was not kept only because its image is unknown."""
    column = predictions.c
    return or_(column.weight.is_not(None), column.known.is_(None), column.known.is_(True))


def answered_by(
    database: Database,
    model: str,
    *,
    version: str | None = None,
    or_roles: Collection[str] = (),
    start: datetime | None = None,
    end: datetime | None = None,
) -> dict[str, int]:
    """How many requests each version has answered, accepted or not, of those that were kept by
    chance. Raises DatabaseError."""
    chosen = conditions(
        model, version=version, or_roles=or_roles, start=start, end=end, origins=("traffic",)
    )
    chosen.append(kept_by_chance())
    column = predictions.c.version
    statement = select(column, func.count()).where(*chosen).group_by(column).order_by(column)
    with database.reading() as connection:
        return {name: int(many) for name, many in connection.execute(statement)}


def conditions(
    model: str | None,
    *,
    version: str | None = None,
    role: str | None = None,
    or_roles: Collection[str] = (),
    start: datetime | None = None,
    end: datetime | None = None,
    labelled: bool = False,
    status: int | None = None,
    origins: Collection[str] = (),
) -> list[ColumnElement[bool]]:
    """Conditions on predictions, one for each argument that is given."""
    column = predictions.c
    equal = {"model": model, "role": role, "status": status}
    chosen: list[ColumnElement[bool]] = [
        column[name] == value for name, value in equal.items() if value is not None
    ]
    if version is not None:
        own = column.version == version
        chosen.append(or_(own, column.role.in_(sorted(or_roles))) if or_roles else own)
    if start is not None:
        chosen.append(column.at >= start)
    if end is not None:
        chosen.append(column.at < end)
    if origins:
        chosen.append(column.origin.in_(sorted(origins)))
    if labelled:
        chosen.append(has_label(column.id))
    return chosen


def read(connection: Connection, ids: Iterable[int], *, with_images: bool = True) -> list[Record]:
    """The predictions with these ids, in order of id."""
    records: list[Record] = []
    for chunk in chunks(sorted(ids)):
        statement = select(*_FIELDS).where(predictions.c.id.in_(chunk)).order_by(predictions.c.id)
        if with_images:
            content = images.c.content.label("image")
            statement = statement.add_columns(content).join_from(predictions, images, isouter=True)
        current: dict[int, dict[str, Label]] = {}
        drawn: dict[int, str | None] = {}
        for id_, source, label, how in connection.execute(
            select(labels.c.prediction_id, labels.c.source, labels.c.label, labels.c.drawn)
            .where(labels.c.prediction_id.in_(chunk))
            .order_by(labels.c.id)
        ):
            current.setdefault(id_, {})[source] = label
            drawn.setdefault(id_, how)
        # Drawn at random after somebody had volunteered its label, it is in the random sample too.
        unasked = [id_ for id_, how in drawn.items() if how == "volunteered"]
        drawn |= {id_: how for id_, how in drawn_as(connection, unasked).items() if how == "random"}
        compared = _pairs(connection, chunk)
        for row in connection.execute(statement).mappings():
            id_ = row["id"]
            by_source = tuple(sorted(current.get(id_, {}).items()))
            records.append(
                Record(**row, labels=by_source, drawn=drawn.get(id_), pair=compared.get(id_))
            )
    return records


def _pairs(connection: Connection, ids: Sequence[int]) -> dict[int, Pair]:
    statement = select(pairs).where(pairs.c.prediction_id.in_(ids))
    found = {}
    for row in connection.execute(statement).mappings():
        id_ = row["prediction_id"]
        found[id_] = Pair(**{name: value for name, value in row.items() if name != "prediction_id"})
    return found


def models(database: Database) -> list[str]:
    """The names of all models that have predictions or traffic, sorted."""
    statement = union(select(predictions.c.model), select(traffic.c.model))
    with database.reading() as connection:
        return sorted(connection.execute(statement).scalars())


def latest_at(database: Database, model: str, version: str | None = None) -> datetime | None:
    """The time of the newest kept request of a model; None if it has none."""
    chosen = conditions(model, version=version, origins=("traffic",))
    with database.reading() as connection:
        latest: datetime | None = connection.execute(
            select(func.max(predictions.c.at)).where(*chosen)
        ).scalar_one()
        return latest


def start_of_newest(
    database: Database,
    model: str,
    count: int,
    *,
    version: str | None = None,
    end: datetime | None = None,
) -> datetime | None:
    """The time of the ``count``-th newest kept request before ``end``, or of the first if there are
    fewer; None if there are none."""
    chosen = conditions(model, version=version, end=end, origins=("traffic",))
    newest = select(predictions.c.at).where(*chosen).order_by(predictions.c.at.desc()).limit(count)
    with database.reading() as connection:
        start: datetime | None = connection.execute(
            select(func.min(newest.subquery().c.at))
        ).scalar_one()
        return start
