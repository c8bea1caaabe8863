"""A new version and the one that answers, on the images that the latter was validated on.

Both classify the same images, so only those on which one of them is right and the other is not tell
the two apart: the exact sign test, which McNemar's test is an approximation of (Psychometrika 12,
1947, pages 153 to 157).
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from math import comb
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from errors import ModelError
from models.pixels import Pixels, chunks
from models.reference import Reference
from models.runtime import inputs_of
from models.version import Version

LEVEL: Final = 0.01
"""Of equal versions, one in a hundred is called worse, and one in a hundred better."""

_CHUNK: Final = 256


@dataclass(frozen=True)
class HoldoutComparison:
    """How a version did on the holdout of ``predecessor``, a tag.

    ``images``: of the holdout, without the ``seen`` ones, on which the new version was trained.
    ``wins``: images that it alone gets right; ``losses``: that its predecessor alone does.
    ``unknown``: why they could not be compared; then all numbers are 0.
    """

    predecessor: str
    images: int = 0
    right: int = 0
    right_before: int = 0
    wins: int = 0
    losses: int = 0
    seen: int = 0
    unknown: str | None = None

    @property
    def certainly_worse(self) -> bool:
        return sign_test(self.losses, self.wins) <= LEVEL

    @property
    def certainly_better(self) -> bool:
        return sign_test(self.wins, self.losses) <= LEVEL

    @property
    def summary(self) -> str:
        """What follows "the new version is"; only if they could be compared."""
        seen = f", without {self.seen:,} that it was trained on" if self.seen else ""
        return (
            f"right on {self.right / self.images:.1%} of the {self.images:,} images that "
            f"{self.predecessor} was validated on{seen}, and {self.predecessor} on "
            f"{self.right_before / self.images:.1%}"
        )

    @property
    def sentence(self) -> str:
        if self.unknown is not None:
            return f"It was not compared with {self.predecessor}: {self.unknown}."
        return f"It is {self.summary}."

    @property
    def numbers(self) -> dict[str, object]:
        """For the record of a decision."""
        return {
            "holdout_of": self.predecessor,
            "images": self.images,
            "right": self.right,
            "right_before": self.right_before,
            "wins": self.wins,
            "losses": self.losses,
            "level": LEVEL,
        }


def compare(
    version: Version, predecessor: Version, trained_on: Collection[bytes] = ()
) -> HoldoutComparison:
    """Both versions on the predecessor's holdout.

    ``trained_on``: the digests of the new version's training images, if they are known. Those
    among the holdout would be a test of its memory, and are left out.
    """
    tag = predecessor.tag
    new, old = version.manifest, predecessor.manifest
    if new.extractor != old.extractor:
        return HoldoutComparison(tag, unknown="their extractors differ")
    if not new.image_spec.reads_as(old.image_spec):
        specs = f"{new.image_spec.name} and {old.image_spec.name}"
        return HoldoutComparison(tag, unknown=f"their image specs differ ({specs})")
    try:
        reference = Reference.load(predecessor.artifact)
        if reference is None:
            return HoldoutComparison(tag, unknown="it has no holdout")
        fresh = np.array([one not in trained_on for one in _digests(reference)])
        kept: NDArray[Any] | None = reference.embeddings
        inputs = (reference.pixels if kept is None else kept)[fresh]
        if not len(inputs):
            return HoldoutComparison(tag, unknown="all images of its holdout were trained on")
        truth = np.array(old.labels, object)[reference.labels[fresh]]
        right, before = _answers(version, inputs) == truth, _answers(predecessor, inputs) == truth
    except ModelError as error:
        return HoldoutComparison(tag, unknown=str(error).rstrip("."))
    return HoldoutComparison(
        tag,
        images=len(inputs),
        right=int(right.sum()),
        right_before=int(before.sum()),
        wins=int((right & ~before).sum()),
        losses=int((before & ~right).sum()),
        seen=int((~fresh).sum()),
    )


def image_digests(pixels: Pixels) -> list[bytes]:
    """One for each row of uint8 [N, F]; equal rows have equal ones."""
    return [
        hashlib.blake2b(row.data, digest_size=16).digest()
        for chunk in chunks(pixels)
        for row in chunk
    ]


def sign_test(more: int, fewer: int) -> float:
    """The probability that of ``more + fewer`` fair coins at least ``more`` show heads."""
    coins = more + fewer
    return sum(comb(coins, heads) for heads in range(more, coins + 1)) / (1 << coins)


def _digests(reference: Reference) -> list[bytes]:
    if reference.digests is None:
        return image_digests(reference.pixels)
    return [one.tobytes() for one in reference.digests]


def _answers(version: Version, inputs: NDArray[Any]) -> NDArray[np.object_]:
    """The labels for uint8 [N, F], or for embeddings; the features of a few images at a time in
    memory."""
    runtime, spec = version.artifact.head(), version.manifest.image_spec
    indices = []
    for start in range(0, len(inputs), _CHUNK):
        features = inputs_of(spec, inputs[start : start + _CHUNK])
        indices.append(runtime.run(features).indices)
    return np.array(version.manifest.labels, object)[np.concatenate(indices)]
