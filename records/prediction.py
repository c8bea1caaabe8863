"""A prediction that is kept, as it is in memory: what servers, imports and labels write.

Nothing here imports SQLAlchemy: a server that keeps no records does without it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from records.routing import Pair

Label = int | str
Origin = Literal["traffic", "feedback", "import"]


@dataclass(slots=True, kw_only=True)
class KeptPrediction:
    """One prediction, with its image as the client sent it.

    ``at`` has a time zone. ``reason``: why the image was rejected. ``probabilities``: float32 in
    little-endian bytes, in the order of the version's labels; ``confidence`` is the largest of
    them. ``weight`` is 1 / the probability of having been kept, None for what was not sampled.
    ``known``: whether the image is like those of the training, None if nobody has looked;
    ``abstained``: whether the client got no label, and ``label`` is what it would have been, None
    for a version that never abstains. ``pair``: what the other version of a rollout made of the
    image.

    Not frozen: in the event loop of the server, a frozen one takes three times as long to make.
    """

    request_id: str
    model: str
    version: str = ""
    role: str = ""
    at: datetime
    status: int = 200
    reason: str | None = None
    label: Label | None = None
    confidence: float | None = None
    probabilities: bytes | None = None
    weight: float | None = None
    known: bool | None = None
    abstained: bool | None = None
    image: bytes | None = None
    origin: Origin = "traffic"
    pair: Pair | None = None
