"""True labels, which people and systems send days later and in any order."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, func, insert, select, text, update

from images.trailer import without_trailer
from labels import plain
from records.audit import OPEN, Act, add_acts
from records.chunks import chunks
from records.columns import label_text
from records.database import Database
from records.prediction import KeptPrediction, Label, Origin
from records.requests import drawn_as
from records.schema import images, labels, predictions
from records.writer import add_predictions

MAX_PER_PREDICTION: Final = 100
"""Limit of labels of one prediction, of all sources and with those that were corrected."""

ClassesOf = Callable[[str], Collection[Label] | None]
"""The classes of a model, by its name; None if they cannot be determined."""


@dataclass(frozen=True)
class NewLabel:
    """A label for a request. ``model``: which one is meant if several models answered it.

    ``image`` is stored if the prediction has none; with ``model``, also if the prediction itself
    was not kept. The newest label of each ``source`` counts. ``key``: the name of the key that the
    label came with, None without one; ``remark``: what its sender called the source.
    """

    request_id: str
    label: Label
    model: str | None = None
    image: bytes | None = None
    source: str = ""
    key: str | None = None
    remark: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", plain(self.label))


@dataclass(frozen=True)
class Outcome:
    """What was done with one label.

    ``added``, ``unchanged`` (this source gave the same label before), ``corrected`` (it gave the
    label ``previous`` before, which is kept too), ``unknown`` (no such prediction: nothing was
    stored), or ``full`` (it has MAX_PER_PREDICTION labels already: nothing was stored). ``known``:
    whether the model has this class, None if that cannot be determined. ``conflict``: whether the
    current label of another source is different.
    """

    status: Literal["added", "unchanged", "corrected", "unknown", "full"]
    request_id: str
    model: str | None = None
    version: str | None = None
    known: bool | None = None
    conflict: bool = False
    previous: Label | None = None


@dataclass
class _Target:
    """A prediction that is labelled, its number of labels, and the current one of each source."""

    id: int
    request_id: str
    model: str
    version: str
    has_image: bool
    count: int = 0
    current: dict[str, Label] = field(default_factory=dict)


def add(database: Database, items: Sequence[NewLabel], classes_of: ClassesOf) -> list[Outcome]:
    """Store labels durably, all or none; returns the outcome of each, in order.

    Raises DatabaseError if nothing was written and a retry may succeed, RecordsError if a value
    can never be stored.
    """
    if not items:
        return []
    with database.writing() as connection:
        return add_labels(connection, items, classes_of)


def add_labels(
    connection: Connection,
    items: Sequence[NewLabel],
    classes_of: ClassesOf,
    origin: Literal["feedback", "import"] = "feedback",
) -> list[Outcome]:
    """``add`` inside a transaction; ``origin`` is that of the predictions that it creates."""
    self_contained = [item for item in items if item.image and item.model is not None]
    if self_contained and connection.dialect.name == "postgresql":
        # A prediction that does not exist yet has no row to lock, so two writers might both create
        # it. Taken before any row is locked: in another order, two writers could deadlock.
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('pupila.labels'))"))
    targets = _find(connection, items)
    missing = [item for item in self_contained if _choose(targets, item) is None]
    if missing:
        _create_predictions(connection, missing, origin)
        targets = _find(connection, items)
    found = [target.id for of_request in targets.values() for target in of_request]
    drawn = drawn_as(connection, found)
    now = datetime.now(UTC)
    outcomes = []
    rows: list[dict[str, Any]] = []
    acts: list[Act] = []
    contents: dict[int, bytes] = {}
    for item in items:
        target = _choose(targets, item)
        if target is None:
            outcomes.append(Outcome("unknown", item.request_id, item.model))
            continue
        outcome = _outcome(target, item, classes_of(target.model))
        outcomes.append(outcome)
        if outcome.status == "full":
            continue
        if item.image and not target.has_image:
            target.has_image = True
            contents[target.id] = without_trailer(item.image)
        if outcome.status != "unchanged":
            target.count += 1
            target.current[item.source] = item.label
            rows.append(
                {
                    "prediction_id": target.id,
                    "request_id": target.request_id,
                    "model": target.model,
                    "label": item.label,
                    "source": item.source,
                    "known": outcome.known,
                    "at": now,
                    "key": item.key,
                    "remark": item.remark,
                    "drawn": drawn.get(target.id, "volunteered"),
                }
            )
            acts.append(_act(target, item, outcome))
    _add_images(connection, contents)
    if rows:
        connection.execute(insert(labels), rows)
    if origin == "feedback":
        add_acts(connection, acts, now)
    return outcomes


def _act(target: _Target, item: NewLabel, outcome: Outcome) -> Act:
    """By the prediction's own number: the request's id may have to be deleted."""
    was = "" if outcome.previous is None else f", was {label_text(outcome.previous)}"
    subject = f"prediction {target.id} of {target.model}"
    return Act(item.key or OPEN, "label", subject, label_text(item.label) + was)


def _outcome(target: _Target, item: NewLabel, classes: Collection[Label] | None) -> Outcome:
    previous = target.current.get(item.source)
    status: Literal["added", "unchanged", "corrected", "full"] = "added"
    if previous is not None:
        status = "unchanged" if _same(previous, item.label) else "corrected"
    if status != "unchanged" and target.count >= MAX_PER_PREDICTION:
        status = "full"
    return Outcome(
        status,
        item.request_id,
        target.model,
        target.version,
        None if classes is None else any(_same(item.label, label) for label in classes),
        any(
            not _same(item.label, label)
            for source, label in target.current.items()
            if source != item.source
        ),
        previous if status == "corrected" else None,
    )


def _same(label: Label, other: Label) -> bool:
    # True is 1 to Python. Labels that are kept since before they were normalized are in any form.
    return type(label) is type(other) and plain(label) == plain(other)


def _choose(targets: dict[str, list[_Target]], item: NewLabel) -> _Target | None:
    candidates = targets.get(item.request_id, ())
    return next((target for target in candidates if item.model in (None, target.model)), None)


def _find(connection: Connection, items: Iterable[NewLabel]) -> dict[str, list[_Target]]:
    """The newest prediction of each model by request id, newest first; locked until the commit."""
    newest: list[int] = []
    for request_ids in chunks(sorted({item.request_id for item in items})):
        newest += connection.execute(
            select(func.max(predictions.c.id))
            .where(predictions.c.request_id.in_(request_ids))
            .group_by(predictions.c.request_id, predictions.c.model)
        ).scalars()
    by_request: dict[str, list[_Target]] = {}
    by_id: dict[int, _Target] = {}
    # All writers lock in the same order, so that none deadlock.
    for ids in chunks(sorted(newest)):
        locked = connection.execute(
            select(
                predictions.c.id,
                predictions.c.request_id,
                predictions.c.model,
                predictions.c.version,
                predictions.c.image_bytes,
            )
            .where(predictions.c.id.in_(ids))
            .order_by(predictions.c.id)
            .with_for_update(key_share=True)
        )
        for id_, request_id, model, version, size in locked:
            by_id[id_] = _Target(id_, request_id, model, version, size > 0)
            by_request.setdefault(request_id, []).insert(0, by_id[id_])
    for chunk in chunks(by_id):
        history = connection.execute(
            select(labels.c.prediction_id, labels.c.source, labels.c.label)
            .where(labels.c.prediction_id.in_(chunk))
            .order_by(labels.c.id)
        )
        for id_, source, label in history:
            by_id[id_].current[source] = label
            by_id[id_].count += 1
    return by_request


def _create_predictions(
    connection: Connection, missing: Sequence[NewLabel], origin: Origin
) -> None:
    """One for each request and model; the first of several images is kept."""
    now = datetime.now(UTC)
    created = {
        (item.request_id, item.model): KeptPrediction(
            request_id=item.request_id,
            model=item.model or "",
            at=now,
            image=item.image,
            origin=origin,
        )
        for item in reversed(missing)
    }
    add_predictions(connection, list(reversed(created.values())))


def _add_images(connection: Connection, contents: dict[int, bytes]) -> None:
    if not contents:
        return
    connection.execute(
        insert(images),
        [{"prediction_id": id_, "content": content} for id_, content in contents.items()],
    )
    for id_, content in contents.items():
        connection.execute(
            update(predictions).where(predictions.c.id == id_).values(image_bytes=len(content))
        )
