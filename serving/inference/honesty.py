"""What a loaded version says of its own answers: prediction sets, and whether images are known."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from errors import BadRequestError
from models.coverage import chance_of, most, needed, rank
from models.familiarity import NEEDED, Familiarity
from models.honest import Honest
from models.manifest import Label
from models.remaking import is_imported
from models.version import Version
from serving.inference.batcher import Answer
from serving.metrics import ABSTENTIONS, IMAGES_COMPARED

_SMALLEST = min(NEEDED.values())


class Said(NamedTuple):
    """Of one answer. ``prediction_set``: labels, the most probable first, None if nobody asked and
    the version does not abstain; ``known``: whether the image is like those of the training, None
    if nobody has looked. ``abstains``: whether the version says no label."""

    prediction_set: list[Label] | None
    known: bool | None
    abstains: bool = False


class Honesty:
    """Of one engine. Its arrays are read when they are needed first, on a thread."""

    def __init__(self, version: Version, threads: Executor) -> None:
        self._version = version
        self._threads = threads
        self._record = version.manifest.honesty
        self._is_imported = is_imported(version.manifest)
        self._honest: Honest | None = None
        self._loading: asyncio.Future[Honest | None] | None = None
        self.abstain = version.manifest.abstain
        """The coverage by which it abstains; None if it never does."""
        tag = (version.name, version.version)
        self._known = IMAGES_COMPARED.labels(*tag, "known")
        self._unknown = IMAGES_COMPARED.labels(*tag, "unknown")
        self._abstained = ABSTENTIONS.labels(*tag)

    def can(self, coverage: float | None, known: bool) -> bool:
        """Whether ``check`` raises nothing."""
        return self._fault(coverage, known) is None

    def check(self, coverage: float | None, known: bool) -> None:
        """Raises BadRequestError for what the version cannot say."""
        fault = self._fault(coverage, known)
        if fault is not None:
            raise BadRequestError(f"{self._version.tag} {fault}")

    @property
    def compares(self) -> bool:
        """Whether it can tell a known image from others."""
        return self._record is not None and bool(self._record.limits)

    def load(self) -> None:
        """Read now what ``read`` would. Raises ArtifactError."""
        self._honest = Honest.load(self._version.artifact)

    async def read(self) -> None:
        """Have the arrays in memory, which takes some milliseconds once. Raises ArtifactError."""
        if self._honest is not None or self._record is None:
            return
        if self._loading is None or (self._loading.done() and self._loading.exception()):
            loop = asyncio.get_running_loop()
            self._loading = loop.run_in_executor(self._threads, Honest.load, self._version.artifact)
        # The reading goes on for the others if this request is given up.
        self._honest = await asyncio.shield(self._loading)

    def familiarity(self) -> Familiarity | None:
        """On a thread: what tells known images from others; None if nothing does.

        Raises ArtifactError.
        """
        if not self.compares:
            return None
        if self._honest is None:
            self.load()
        return None if self._honest is None else self._honest.familiarity

    def counted(self, familiar: bool) -> bool:
        """An image was compared, and is known or not."""
        (self._known if familiar else self._unknown).inc()
        return familiar

    def say(
        self,
        answer: Answer,
        inputs: NDArray[np.float32],
        coverage: float | None = None,
        known: bool = False,
    ) -> Said:
        """Once it was ``read`` and what is asked for ``check``-ed; 50 µs for 64 inputs, half a
        millisecond for 64x64 pixels in color. ``inputs``: float32 [F], what the classifier took."""
        abstain = self.abstain
        familiar = self._knows(inputs) if known or abstain is not None else None
        labels = self._labels(answer, inputs, coverage if coverage is not None else abstain)
        abstains = False
        if abstain is not None:
            single = (
                labels if coverage in (None, abstain) else self._labels(answer, inputs, abstain)
            )
            is_single = single is None or len(single) == 1
            abstains = familiar is False or not is_single
            if abstains:
                self._abstained.inc()
            if not is_single and labels is not None and not _explains(labels, coverage, abstain):
                labels = single
        shown = coverage is not None or abstains
        return Said(labels if shown else None, familiar, abstains)

    def _labels(
        self, answer: Answer, inputs: NDArray[np.float32], coverage: float | None
    ) -> list[Label] | None:
        honest = self._honest
        if coverage is None or honest is None or honest.coverage is None:
            return None
        rows = honest.coverage.labels(answer.scores, coverage, chance_of(inputs))
        labels: Sequence[Label] = self._version.manifest.labels
        return None if rows is None else [labels[row] for row in rows]

    def _knows(self, inputs: NDArray[np.float32]) -> bool | None:
        honest = self._honest
        if not self.compares or honest is None or honest.familiarity is None:
            return None
        return self.counted(bool(honest.familiarity.knows(inputs[None])[0]))

    def _fault(self, coverage: float | None, known: bool) -> str | None:
        """What follows the version's name in a sentence."""
        record = self._record
        if coverage is not None:
            if not self._version.manifest.gives_probabilities:
                return (
                    "gives no probabilities, so it gives no prediction set; leave coverage out, or "
                    "ask another version."
                )
            if record is None or not record.images:
                remedy = "import it again with --check" if self._is_imported else "train it again"
                return f"has no thresholds for prediction sets; leave coverage out, or {remedy}."
            if rank(record.images, coverage) is None:
                return (
                    f"was validated on {record.images:,} images, which state coverages up to "
                    f"{_floored(most(record.images))}; {coverage} needs {needed(coverage):,}."
                )
        if known and (record is None or record.compares is None):
            remedy = "ask another version" if self._is_imported else "train it again"
            return f"cannot tell known images from others; leave known out, or {remedy}."
        if known and record is not None and not record.limits:
            return (
                f"was validated on {record.compared:,} images, too few to tell known ones from "
                f"others: that needs {_SMALLEST}; leave known out."
            )
        return None


def _explains(labels: Sequence[Label], coverage: float | None, abstain: float) -> bool:
    """Whether a prediction set that was asked for shows why its version abstains: it has all labels
    of the one that decided, and is no single label."""
    return coverage is None or (coverage >= abstain and len(labels) != 1)


def _floored(coverage: float) -> str:
    """Never more than it is."""
    return f"{int(coverage * 10_000) / 10_000:g}"
