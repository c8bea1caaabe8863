"""Makes the record of a prediction in the event loop, and completes it on the flusher's thread."""

from datetime import UTC, datetime

import numpy as np

from records.prediction import KeptPrediction
from serving.inference.batcher import Answer
from serving.inference.engine import Engine
from serving.inference.honesty import Said


def made(
    engine: Engine,
    request_id: str | int | None,
    image: bytes,
    answer: Answer | None = None,
    reason: str | None = None,
    said: Said | None = None,
) -> KeptPrediction:
    """The record of a prediction, or of an image that was rejected for ``reason``."""
    label = probabilities = None
    abstained: bool | None = None
    if answer is not None:
        if engine.honesty.abstain is not None:
            abstained = said is not None and said.abstains
        label = engine.manifest.labels[answer.label_index]
        probabilities = engine.kept_probabilities(answer)
    # The flusher adds confidence and weight.
    version = engine.version
    return KeptPrediction(
        request_id=str(request_id),
        model=version.name,
        version=version.version,
        role=engine.role,
        at=datetime.now(UTC),
        status=200 if answer is not None else 400,
        reason=reason,
        label=label,
        probabilities=probabilities,
        image=image,
        known=None if said is None else said.known,
        abstained=abstained,
    )


def complete(prediction: KeptPrediction, weight: float | None) -> None:
    """Fill in what the event loop did not know, or left to this thread."""
    prediction.weight = weight
    if prediction.probabilities is not None:
        prediction.confidence = float(np.frombuffer(prediction.probabilities, "<f4").max())
