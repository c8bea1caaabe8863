"""Runs the fits of a search, and goes on when a process that runs one of them dies."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Final

from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.utils.parallel import Parallel, delayed

from errors import RecipeError, first_line
from train.journal import Score
from train.workers import interrupts_blocked

_DEATHS: Final = (TerminatedWorkerError, BrokenProcessPool, MemoryError)


@dataclass(frozen=True)
class Fit:
    """One call of ``function``; ``candidate`` is its number."""

    candidate: int
    fold: int
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]


@dataclass
class Attempts:
    """``workers``: processes at a time; None for a cluster, which replaces workers by itself.

    When a process dies, which one of the fits killed it is not known, and often it is the memory
    that all of them take. So half as many run from then on, and in the end one alone: if its
    process dies, too, its candidate is given up, in ``lost``, with the reason.
    """

    workers: int | None
    lost: dict[int, str]
    on_note: Callable[[str], None]

    def run(self, fits: Sequence[Fit]) -> Iterator[tuple[Fit, Score]]:
        """The scores of the fits, in order, but for those of candidates that are given up.

        Raises RecipeError if a fit fails in another way, or a cluster's does.
        """
        remaining = [fit for fit in fits if fit.candidate not in self.lost]
        alone = False
        while remaining:
            finished = 0
            try:
                for fit, result in zip(remaining, self._results(remaining, alone), strict=True):
                    finished += 1
                    yield fit, _score(result)
                remaining = []
            except _DEATHS as error:
                remaining = remaining[finished:]
                if self.workers is None or (self.workers == 1 and not alone):
                    raise _failed(error) from error
                alone = self._after(error, remaining[0], alone=alone)
                remaining = [fit for fit in remaining if fit.candidate not in self.lost]
            except Exception as error:
                raise _failed(error) from error

    def _after(self, error: BaseException, first: Fit, *, alone: bool) -> bool:
        """Whether fits run alone from now on."""
        why = "was killed, as if the memory was full" if _of_memory(error) else "died"
        if alone:
            self.lost[first.candidate] = f"a process {why}"
            return True
        before = self.workers or 1
        self.workers = max(before // 2, 1)
        self.on_note(
            f"A process of the search {why}: going on with {self.workers} instead of {before} at a "
            f"time; next time, use --workers {self.workers}."
        )
        return self.workers == 1

    def _results(self, fits: Sequence[Fit], alone: bool) -> Iterator[Any]:
        tasks = (delayed(fit.function)(*fit.arguments, **fit.options) for fit in fits)
        options: dict[str, Any] = {}
        if alone:
            # A single process would be this one. Of two, only one ever has something to do.
            options = {"n_jobs": 2, "pre_dispatch": 1, "batch_size": 1}
        elif self.workers is not None:
            options = {"n_jobs": self.workers}
        with warnings.catch_warnings():
            # scikit-learn sends the warning filters to the workers, which cannot unpickle a
            # category of a package that they do not have. A line for each warning of a fold would
            # not help anyone.
            warnings.resetwarnings()
            warnings.simplefilter("ignore")
            with interrupts_blocked():
                results = Parallel(return_as="generator", **options)(tasks)
            yield from results


def _of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "SIGKILL" in str(error)


def _score(result: Any) -> Score:
    return float(result["test_accuracy"][0]), -float(result["test_neg_log_loss"][0])


def _failed(error: BaseException) -> RecipeError:
    return RecipeError(
        f"The search stopped because a fit failed: {first_line(error)}; what was tried is kept: "
        "the same command goes on."
    )
