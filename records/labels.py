"""What was true: labels that people and systems send, days later and in any order."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select, text, update

from records.chunks import chunks
from records.database import Database
from records.prediction import KeptPrediction, Label, Origin
from records.schema import images, labels, predictions
from records.writer import add_predictions

Known = Callable[[str], Collection[Label] | None]


@dataclass(frozen=True)
class NewLabel:
    """One label. ``model`` narrows a request id that several models answered.

    ``image`` is kept where the prediction's was not; with ``model``, also where the prediction
    itself was not kept. Of one ``source``, the newest label counts.
    """

    request_id: str
    label: Label
    model: str | None = None
    image: bytes | None = None
    source: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one label.

    ``added``, ``unchanged`` (this source has said so before), ``corrected`` (it has said
    ``previous`` before, which is kept too), or ``unknown`` (no such prediction: nothing was kept).
    ``known``: whether the model has this class, none where that could not be told. ``conflict``:
    another source's current label of the prediction is another.
    """

    status: Literal["added", "unchanged", "corrected", "unknown"]
    request_id: str
    model: str | None = None
    version: str | None = None
    known: bool | None = None
    conflict: bool = False
    previous: Label | None = None


@dataclass
class _Target:
    """A prediction that a label may be for, and the current label of each source."""

    id: int
    request_id: str
    model: str
    version: str
    has_image: bool
    current: dict[str, Label] = field(default_factory=dict)


def add(database: Database, items: Sequence[NewLabel], known: Known) -> list[Outcome]:
    """Keep labels, all or none, durably when this returns; one outcome for each, in order.

    ``known`` gives a model's classes, or none where they cannot be told. Raises DatabaseError when
    nothing was written and another try may succeed, RecordsError when a value can never be kept.
    """
    if not items:
        return []
    with database.writing() as connection:
        return add_labels(connection, items, known)


def add_labels(
    connection: Connection,
    items: Sequence[NewLabel],
    known: Known,
    origin: Literal["feedback", "import"] = "feedback",
) -> list[Outcome]:
    """``add`` inside a transaction; ``origin`` is that of the predictions it has to make."""
    whole = [item for item in items if _is_whole(item)]
    if whole and connection.dialect.name == "postgresql":
        # A prediction that is yet to be made has no row on which two writers could wait for each
        # other. Before any row is locked: in another order, each might wait for the other.
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('pupila.labels'))"))
    targets = _find(connection, items)
    missing = [item for item in whole if _choose(targets, item) is None]
    if missing:
        _make(connection, missing, origin)
        targets = _find(connection, items)
    now = datetime.now(UTC)
    outcomes = []
    values: list[dict[str, Any]] = []
    pictures: dict[int, bytes] = {}
    for item in items:
        target = _choose(targets, item)
        if target is None:
            outcomes.append(Outcome("unknown", item.request_id, item.model))
            continue
        if item.image and not target.has_image:
            target.has_image = True
            pictures[target.id] = item.image
        outcome = _outcome(target, item, known(target.model))
        outcomes.append(outcome)
        if outcome.status != "unchanged":
            target.current[item.source] = item.label
            values.append(
                {
                    "prediction_id": target.id,
                    "request_id": target.request_id,
                    "model": target.model,
                    "label": item.label,
                    "source": item.source,
                    "known": outcome.known,
                    "at": now,
                }
            )
    _keep_images(connection, pictures)
    if values:
        connection.execute(insert(labels), values)
    return outcomes


def _outcome(target: _Target, item: NewLabel, classes: Collection[Label] | None) -> Outcome:
    before = target.current.get(item.source)
    status: Literal["added", "unchanged", "corrected"] = "added"
    if before is not None:
        status = "unchanged" if _same(before, item.label) else "corrected"
    return Outcome(
        status,
        item.request_id,
        target.model,
        target.version,
        None if classes is None else any(_same(item.label, one) for one in classes),
        any(
            not _same(item.label, other)
            for source, other in target.current.items()
            if source != item.source
        ),
        before if status == "corrected" else None,
    )


def _same(one: Label, other: Label) -> bool:
    return type(one) is type(other) and one == other


def _is_whole(item: NewLabel) -> bool:
    """Whether it can become a prediction of its own."""
    return bool(item.image) and item.model is not None


def _choose(targets: dict[str, list[_Target]], item: NewLabel) -> _Target | None:
    found = targets.get(item.request_id, ())
    return next((one for one in found if item.model in (None, one.model)), None)


def _find(connection: Connection, items: Iterable[NewLabel]) -> dict[str, list[_Target]]:
    """By request id, the newest prediction of each model, newest first; locked until the commit."""
    newest: list[int] = []
    for request_ids in chunks(sorted({item.request_id for item in items})):
        newest += connection.execute(
            select(func.max(predictions.c.id))
            .where(predictions.c.request_id.in_(request_ids))
            .group_by(predictions.c.request_id, predictions.c.model)
        ).scalars()
    found: dict[str, list[_Target]] = {}
    by_id: dict[int, _Target] = {}
    # By everyone in the same order.
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
            found.setdefault(request_id, []).insert(0, by_id[id_])
    for chunk in chunks(by_id):
        history = connection.execute(
            select(labels.c.prediction_id, labels.c.source, labels.c.label)
            .where(labels.c.prediction_id.in_(chunk))
            .order_by(labels.c.id)
        )
        for id_, source, label in history:
            by_id[id_].current[source] = label
    return found


def _make(connection: Connection, missing: Sequence[NewLabel], origin: Origin) -> None:
    """Predictions for labels that came with their image: one for each request and model."""
    now = datetime.now(UTC)
    made = {
        (item.request_id, item.model): KeptPrediction(
            request_id=item.request_id,
            model=item.model or "",
            at=now,
            image=item.image,
            origin=origin,
        )
        for item in reversed(missing)
    }
    add_predictions(connection, list(reversed(made.values())))


def _keep_images(connection: Connection, pictures: dict[int, bytes]) -> None:
    if not pictures:
        return
    connection.execute(
        insert(images),
        [{"prediction_id": id_, "content": content} for id_, content in pictures.items()],
    )
    for id_, content in pictures.items():
        connection.execute(
            update(predictions).where(predictions.c.id == id_).values(image_bytes=len(content))
        )
