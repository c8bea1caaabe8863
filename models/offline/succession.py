"""Who answers once a new version is saved: it, or the one that answered before.

While a model has no alias, its newest version answers as soon as it is visible in the store. One
that should not is therefore made a candidate before it is: its predecessor gets the alias.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from errors import RecordsError, RolloutError
from models.aliases import champion_of
from models.offline.comparison import HoldoutComparison, compare
from models.store import Store
from models.training_images import TrainingSet
from models.unsaved import Unsaved
from models.version import Version
from records.current import unreadable

if TYPE_CHECKING:
    from records.database import Database

Promote = Literal["always", "better", "never"]
"""``always``: a new version answers; ``better``: if it is certainly better than the champion on the
champion's own holdout; ``never``: it is a candidate."""

Outcome = Literal["first", "older", "newest", "unknown", "promoted", "worse", "candidate"]
"""``first``: the model has no other version; ``older``: it was made before the version that
answers; ``newest``: it answers, as nobody has decided who does; ``unknown``: it does unless
somebody has, which the database could not be asked; ``worse``: it would answer, but is certainly
worse; ``candidate``: it waits to be tried or promoted."""

Saving = Callable[[Callable[[Version], object]], Version]
"""Saves a version, and calls what it is given with it once it is written and still invisible."""

_TIMEOUT_SECONDS: Final = 10.0

# Servers look twice a second, and follow within two.
_FOLLOWED_SECONDS: Final = 3.0
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Succession:
    """What became of a new version. ``champion``: the tag of the version that answers.

    ``before``: the version that answered until then; ``failure``: why it is not as was asked.
    """

    version: Version
    outcome: Outcome
    champion: str
    before: Version | None = None
    comparison: HoldoutComparison | None = None
    failure: str | None = None

    @property
    def answers(self) -> bool:
        return self.champion == self.version.tag

    @property
    def lines(self) -> list[str]:
        """For the person who made it: who answers now, and what to do next."""
        if self.outcome == "first":
            return []
        compared = [self.comparison.sentence] if self.comparison else []
        promote = f'python -m models promote {self.version.tag} --because "…"'
        stays = f"{self.champion}, which stays champion"
        if self.outcome == "worse" and self.comparison is not None:
            why = f"it is {self.comparison.summary}"
            line = (
                f"It is certainly worse than {stays}: {why}. To promote it all the same: {promote}"
            )
            return [line]
        if self.outcome == "older":
            return [f"It is older than {stays}.", *compared]
        if self.outcome == "candidate":
            rollout = f"python -m rollout start {self.version.tag}"
            line = f"It is a candidate: {self.champion} stays champion."
            line += f" To try it on live requests: {rollout}; to promote it at once: {promote}"
            return [line, *compared]
        before = self.before.tag if self.before else ""
        if self.outcome == "unknown":
            line = f"It is newer than {before}, and answers unless somebody has decided who does."
            return [line, *compared]
        back = f'python -m models promote {before} --because "…"'
        if self.outcome == "promoted":
            back = f"python -m models rollback {self.version.name}"
        return [f"It is now the champion instead of {before}; to go back: {back}", *compared]


def save(
    store: Store,
    unsaved: Unsaved,
    promote: Promote | None = None,
    trained_on: Collection[bytes] = (),
    images: TrainingSet | None = None,
) -> Succession:
    """Save a version with its training ``images``, and settle who answers; see ``succeed``."""
    return succeed(store, lambda written: store.save(unsaved, images, written), promote, trained_on)


def succeed(
    store: Store,
    saving: Saving,
    promote: Promote | None = None,
    trained_on: Collection[bytes] = (),
) -> Succession:
    """Save a version, and settle who answers.

    Without ``promote``, a version answers as the newest one while nobody has decided who does,
    unless it is certainly worse than the version before it; from then on it is a candidate.
    ``trained_on``: as in ``compare``. A database that cannot be used leaves things as they would be
    without one, and the result says so. Raises what ``saving`` does.
    """
    step = _Step(store, promote, trained_on)
    version = saving(step.written)
    return step.finish(version)


@dataclass
class _Step:
    store: Store
    promote: Promote | None
    trained_on: Collection[bytes]
    before: Version | None = None
    decided: bool = False
    older: bool = False
    unreadable: bool = False
    kept: str | None = None
    comparison: HoldoutComparison | None = None
    failures: list[str] = field(default_factory=list)

    def written(self, staged: Version) -> None:
        """Before the version is visible: whom to compare it with, and whether it may answer."""
        versions = self.store.versions(staged.name)
        if not versions or any(one.version == staged.version for one in versions):
            return
        named = self.store.aliases().get(staged.name)
        self.before, _ = champion_of(versions, named)
        self.decided = named is not None
        self.unreadable = not self.decided and unreadable() is not None
        self.older = not self.decided and _order(staged) < _order(versions[-1])
        if self.older and self.promote is None:
            return
        self.comparison = compare(staged, self.before, self.trained_on)
        if not self.decided and not self.older and not self._may_answer(self.comparison):
            self._keep(staged, self.before, self.comparison)

    def finish(self, version: Version) -> Succession:
        before, tag = self.before, version.tag
        if before is None:
            return Succession(version, "first", tag)
        if self._wanted() and self._promoted(version, before):
            return self._result(version, "promoted", tag)
        if self.kept is not None:
            worse = self.promote is None and f"{version.name}:{self.kept}" == before.tag
            outcome: Outcome = "worse" if worse else "candidate"
            return self._result(version, outcome, f"{version.name}:{self.kept}")
        if self.decided:
            return self._result(version, "candidate", before.tag)
        if self.older:
            return self._result(version, "older", before.tag)
        return self._result(version, "unknown" if self.unreadable else "newest", tag)

    def _may_answer(self, compared: HoldoutComparison) -> bool:
        if self.promote is None:
            return not compared.certainly_worse
        return self._wanted()

    def _wanted(self) -> bool:
        """Whether it is to be promoted."""
        better = self.comparison is not None and self.comparison.certainly_better
        return self.promote == "always" or (self.promote == "better" and better)

    def _keep(self, staged: Version, before: Version, compared: HoldoutComparison) -> None:
        """Give the alias to the version that answers, and let the servers see that."""
        from records.audit import COMMAND_LINE
        from records.champions import keep

        because = f"{staged.tag} was saved as a candidate"
        if self.promote is None:
            because = f"{staged.tag} is certainly worse: it is {compared.summary}"
        try:
            with _database() as database:
                self.kept = keep(
                    database,
                    staged.name,
                    before.version,
                    actor=COMMAND_LINE,
                    because=because,
                    numbers=compared.numbers,
                )
                _let_servers_follow(database)
        except RecordsError as error:
            should_not = "is certainly worse than" if self.promote is None else "was not to replace"
            self.failures.append(
                f"{staged.tag} answers, though it {should_not} {before.tag}: {error}"
            )

    def _promoted(self, version: Version, before: Version) -> bool:
        from records.audit import COMMAND_LINE
        from records.champions import promote

        numbers: dict[str, Any] = self.comparison.numbers if self.comparison else {}
        try:
            with _database() as database:
                promote(
                    database,
                    version.name,
                    version.version,
                    actor=COMMAND_LINE,
                    because=f"it was saved with --promote {self.promote}",
                    answering=before.version,
                    numbers=numbers,
                )
        except (RecordsError, RolloutError) as error:
            self.failures.append(str(error))
            return False
        return True

    def _result(self, version: Version, outcome: Outcome, champion: str) -> Succession:
        failure = " ".join(self.failures) or None
        return Succession(version, outcome, champion, self.before, self.comparison, failure)


@contextmanager
def _database() -> Iterator["Database"]:
    from records.database import Database

    with Database.of(create=True, timeout=_TIMEOUT_SECONDS) as database:
        database.prepare()
        yield database


def _let_servers_follow(database: "Database") -> None:
    """Wait until every worker knows of the newest decision, but no longer than any may take."""
    from records.champions import routings
    from records.workers import alive

    end = time.monotonic() + _FOLLOWED_SECONDS
    with suppress(RecordsError):
        decision, _ = routings(database)
        while time.monotonic() < end and any(one.decision < decision for one in alive(database)):
            time.sleep(_LOOK_SECONDS)


def _order(version: Version) -> tuple[Any, str]:
    return version.manifest.created_at, version.version
