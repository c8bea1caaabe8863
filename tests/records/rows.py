"""Predictions as the server writes them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from records.database import Database
from records.labels import NewLabel, Outcome, add
from records.prediction import KeptPrediction, Label
from records.writer import write

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
ROW = KeptPrediction(
    request_id="1",
    model="clf",
    version="clf:a",
    role="champion",
    at=NOON,
    status=200,
    reason=None,
    label=8,
    confidence=0.75,
    probabilities=b"\x00\x00\x80>\x00\x00@?",
    weight=2.0,
    image=b"an image",
)


def row(request_id: str = "1", *, minutes: int = 0, **changes: object) -> KeptPrediction:
    """One prediction, ``minutes`` after noon."""
    at = NOON + timedelta(minutes=minutes)
    return replace(ROW, request_id=request_id, **({"at": at} | changes))  # type: ignore[arg-type]


def keep(database: Database, *rows: KeptPrediction) -> None:
    write(database, rows, {})


def label(
    database: Database,
    request_id: str,
    value: Label,
    *,
    source: str = "",
    model: str | None = None,
    image: bytes | None = None,
    known: Sequence[Label] | None = (3, 8),
) -> Outcome:
    item = NewLabel(request_id, value, model, image, source)
    return add(database, [item], lambda _model: known)[0]
