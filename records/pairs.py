"""Images that two versions of a rollout classified, and on which they disagreed."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, func, or_, select

from labels import label_key
from records.chunks import chunks
from records.database import Database
from records.labelled import has_label
from records.prediction import Label
from records.rollout_schema import label_requests, pairs
from records.routing import CHALLENGER
from records.schema import images, predictions
from records.windows import read

_FILES = 32


@dataclass(frozen=True)
class PairCounts:
    """Of the pairs that are kept; ``asked``: disagreements whose label was asked for and has not
    come."""

    same: int
    differ: int
    failed: int
    asked: int


@dataclass(frozen=True)
class LabelCounts:
    """Images on which the two disagreed, by who was right; ``neither`` of them on the last."""

    wins: int
    losses: int
    neither: int


def counts(database: Database, rollout_id: int) -> PairCounts:
    """Raises DatabaseError."""
    with database.reading() as connection:
        number = func.count().label("number")
        statement = select(pairs.c.differ, number).where(pairs.c.rollout_id == rollout_id)
        rows = connection.execute(statement.group_by(pairs.c.differ))
        by_outcome: dict[bool | None, int] = {row.differ: row.number for row in rows}
        waiting = (
            select(func.count())
            .select_from(label_requests)
            .where(label_requests.c.rollout_id == rollout_id)
            .where(~has_label(label_requests.c.prediction_id))
        )
        asked = connection.execute(waiting).scalar_one()
    return PairCounts(
        by_outcome.get(False, 0), by_outcome.get(True, 0), by_outcome.get(None, 0), asked
    )


def judged(database: Database, rollout_id: int) -> LabelCounts:
    """Who was right on the disagreements whose label this rollout asked for, or that were drawn at
    random, each image once.

    A label that somebody volunteered, like a complaint, is left out: it would be biased, and so
    would be one that the monitor asked for: half of these are images on which the champion's copies
    disagree. So are
    images whose labels contradict each other. Raises DatabaseError.
    """
    statement = (
        select(pairs.c.prediction_id)
        .join(label_requests, label_requests.c.prediction_id == pairs.c.prediction_id)
        .where(pairs.c.rollout_id == rollout_id, pairs.c.differ)
        .where(or_(label_requests.c.rollout_id == rollout_id, label_requests.c.drawn == "random"))
        .where(has_label(pairs.c.prediction_id))
        .order_by(pairs.c.prediction_id)
    )
    found = [0, 0, 0]
    seen: set[str] = set()
    with database.reading() as connection:
        ids = list(connection.execute(statement).scalars())
        for chunk in chunks(ids, _FILES):
            for record in read(connection, chunk):
                image = _digest(record.image, record.id)
                pair, truth = record.pair, record.truth
                if record.drawn not in ("rollout", "random") or pair is None or truth is None:
                    continue
                if image in seen:
                    continue
                seen.add(image)
                answers = (pair.label, record.label)
                challenger, champion = answers if pair.role == CHALLENGER else answers[::-1]
                right = _same(challenger, truth), _same(champion, truth)
                found[0 if right[0] else 1 if right[1] else 2] += 1
    return LabelCounts(*found)


def to_label(database: Database, rollout_id: int, limit: int) -> list[int]:
    """The oldest disagreements without a label that nobody has asked for, each image once: their
    predictions' ids. Raises DatabaseError."""
    if limit <= 0:
        return []
    chosen: list[int] = []
    with database.reading() as connection:
        asked = select(label_requests.c.prediction_id)
        statement = (
            select(pairs.c.prediction_id)
            .join(predictions, predictions.c.id == pairs.c.prediction_id)
            .where(pairs.c.rollout_id == rollout_id, pairs.c.differ)
            .where(predictions.c.image_bytes > 0)
            .where(pairs.c.prediction_id.not_in(asked))
            .where(~has_label(pairs.c.prediction_id))
            .order_by(pairs.c.prediction_id)
        )
        ids = list(connection.execute(statement).scalars())
        if not ids:
            return []
        before = list(
            connection.execute(
                select(label_requests.c.prediction_id).where(
                    label_requests.c.rollout_id == rollout_id
                )
            ).scalars()
        )
        seen = {digest for _, digest in _digests(connection, before)}
        for id_, digest in _digests(connection, ids):
            if digest not in seen:
                seen.add(digest)
                chosen.append(id_)
                if len(chosen) == limit:
                    break
    return chosen


def _digests(connection: Connection, ids: list[int]) -> Iterator[tuple[int, str]]:
    for chunk in chunks(ids, _FILES):
        statement = select(images).where(images.c.prediction_id.in_(chunk))
        for row in connection.execute(statement.order_by(images.c.prediction_id)):
            yield row.prediction_id, _digest(row.content, row.prediction_id)


def _digest(image: bytes | None, id_: int) -> str:
    """The same for the same image."""
    return str(id_) if image is None else sha256(image).hexdigest()


def _same(label: Label | None, other: Label) -> bool:
    return label_key(label) == label_key(other)
