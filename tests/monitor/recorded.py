"""Records as the database gives them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from records.prediction import Label
from records.windows import Record
from tests.drawing import png

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
RECORD = Record(
    id=1,
    request_id="1",
    model="clf",
    version="clf:a",
    role="champion",
    at=NOON,
    status=200,
    reason=None,
    label=8,
    confidence=0.75,
    probabilities=None,
    weight=None,
    image=None,
)


def record(**changes: Any) -> Record:
    return replace(RECORD, **changes)


def with_truth(record: Record, truth: Label | None) -> Record:
    """With that label, from one source."""
    return replace(record, labels=() if truth is None else (("", truth),))


def pictures(pixels: NDArray[np.uint8], **changes: Any) -> list[Record]:
    """A record for each image of uint8 [N, 64], 8x8 pixels."""
    return [
        record(id=row, image=png(one.reshape(8, 8)), **changes) for row, one in enumerate(pixels)
    ]
