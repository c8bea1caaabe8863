"""The recipe ``auto``: the most accurate one that does not take long."""

from dataclasses import dataclass
from typing import Final

from train.effort import GIB, Effort, Size, effort
from train.progress import duration

PREFERRED: Final = "svc"
"""The most accurate of the recipes wherever they were measured."""

FALLBACKS: Final = ("forest", "logistic")
"""The first whose effort is moderate; the last in any case."""

PATIENCE_SECONDS: Final = 120.0
MODERATE_SECONDS: Final = 300.0
MODERATE_BYTES: Final = 2 * GIB
WORTH_SAYING_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Choice:
    """A recipe, its effort, and the reason; ``asked``: somebody chose it."""

    effort: Effort
    size: Size
    asked: bool
    instead_of: Effort | None = None

    @property
    def recipe(self) -> str:
        return self.effort.recipe

    @property
    def notes(self) -> list[str]:
        """Sentences for the person who waits."""
        data = (
            f"{self.size.images:,} images of {self.size.features:,} features in "
            f"{self.size.classes:,} classes"
        )
        takes = f"about {duration(self.effort.seconds)}"
        if self.effort.memory > GIB:
            takes += f" and {self.effort.memory / GIB:.1f} GiB of memory"
        if self.instead_of is not None:
            other = f"{PREFERRED} would take {duration(self.instead_of.seconds)}"
            return [f"Recipe: {self.recipe}, {takes} for {data}; {other}."]
        if not self.asked:
            return [f"Recipe: {self.recipe}, {takes} for {data}."]
        if self.effort.seconds > WORTH_SAYING_SECONDS or self.effort.memory > GIB:
            faster = "" if self.recipe == "logistic" else self._faster()
            return [f"Recipe {self.recipe} takes {takes} for {data}{faster}."]
        return []

    def _faster(self) -> str:
        other = choose(self.size).effort
        if other.seconds * 2 > self.effort.seconds:
            return ""
        return f"; {other.recipe} about {duration(other.seconds)}"


def choose(size: Size, recipe: str = "auto", *, rarest: int = 2) -> Choice:
    """The recipe that was asked for, or for ``auto``: ``svc`` if it takes two minutes at most, else
    ``forest`` if it is moderate, else ``logistic``, whose effort grows least.

    ``rarest``: images of the rarest class to train on; ``svc`` cannot be calibrated on one.
    """
    if recipe != "auto":
        return Choice(effort(recipe, size), size, asked=True)
    best = effort(PREFERRED, size)
    if rarest < 2:
        return Choice(effort(FALLBACKS[0], size), size, asked=False)
    if best.seconds <= PATIENCE_SECONDS and best.memory <= MODERATE_BYTES:
        return Choice(best, size, asked=False)
    for name in FALLBACKS:
        found = effort(name, size)
        if found.seconds <= MODERATE_SECONDS and found.memory <= MODERATE_BYTES:
            break
    return Choice(found, size, asked=False, instead_of=best)
