"""Who answers after a version was saved."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from errors import ModelError
from images.spec import ImageSpec
from internals import StoredModel
from models.offline.succession import save, succeed
from models.store import Store
from models.version import Version
from records.champions import promote, routings
from records.current import champions
from records.database import Database
from records.decisions import history
from records.rollouts import start
from records.workers import alive, report
from settings import settings
from tests.drafts import LinearDraft, holdout
from tests.waiting import until

GOOD = LinearDraft(answer=8, reference=holdout([8] * 20 + [3] * 10))
BAD = LinearDraft(answer=5)
EQUAL = LinearDraft(answer=8)
WORSE_BEFORE = LinearDraft(answer=5, reference=GOOD.reference)


def now(draft: LinearDraft) -> LinearDraft:
    return replace(draft, created_at=datetime.now(UTC))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PUPILA_HOME", str(tmp_path / "pupila"))
    settings.cache_clear()
    yield tmp_path / "pupila"
    settings.cache_clear()


@pytest.fixture
def store(tmp_path: Path, home: Path) -> Store:
    return Store(tmp_path / "models", aliases=champions)


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    with Database.of(create=True) as opened:
        opened.prepare()
        yield opened


def test_the_first_version_of_a_model_answers(store: Store, home: Path) -> None:
    for mode in (None, "better", "never"):
        name = f"first-{mode}".lower()
        saved = save(store, replace(GOOD, name=name), mode)
        assert (saved.outcome, saved.answers, saved.lines) == ("first", True, [])
    assert not home.exists()


def test_a_version_that_may_be_as_good_answers_as_the_newest(store: Store, home: Path) -> None:
    first = save(store, GOOD).version
    saved = save(store, now(EQUAL))
    assert store.champion("clf") == saved.version
    assert saved.outcome == "newest"
    assert "\n".join(saved.lines) == (
        f"It is now the champion instead of {first.tag}; to go back: "
        f'python -m models promote {first.tag} --because "…"\n'
        f"It is right on 66.7% of the 30 images that {first.tag} was validated on, and {first.tag} "
        "on 66.7%."
    )
    assert not home.exists()


def test_a_candidate_that_cannot_be_compared_is_saved(store: Store, home: Path) -> None:
    first = save(store, GOOD).version
    other = replace(now(EQUAL), spec=ImageSpec.parse("gray-8x8"))
    for mode in ("never", "better"):
        saved = save(store, now(other), mode)
        assert (saved.outcome, store.champion("clf")) == ("candidate", first)
        assert "It was not compared with" in saved.lines[1]


def test_a_version_that_is_certainly_worse_does_not_answer(store: Store, home: Path) -> None:
    first = save(store, GOOD).version
    saved = save(store, now(BAD))
    assert (saved.outcome, saved.champion) == ("worse", first.tag)
    assert store.champion("clf") == first
    assert store.versions("clf")[-1] == saved.version
    (line,) = saved.lines
    assert line == (
        f"It is certainly worse than {first.tag}, which stays champion: it is right on 0.0% of the "
        f"30 images that {first.tag} was validated on, and {first.tag} on 66.7%. To promote it all "
        f'the same: python -m models promote {saved.version.tag} --because "…"'
    )
    with Database.of() as database:
        (found,) = history(database, "clf")
    assert (found.action, found.after) == ("found", first.version)
    assert found.because.startswith(
        f"{saved.version.tag} is certainly worse: it is right on 0.0% of"
    )
    assert found.numbers["losses"] == 20


def test_it_never_answers_even_for_a_moment(store: Store, tmp_path: Path) -> None:
    seen: list[str] = []

    class Watched(Store):
        def publish(self, model: StoredModel) -> Version:
            seen.append(self.aliases()["clf"].champion)
            return super().publish(model)

    first = save(store, GOOD).version
    save(Watched(tmp_path / "models", aliases=champions), now(BAD))
    assert seen == [first.version]


def test_workers_know_of_it_before_they_can_see_the_version(
    store: Store, database: Database, tmp_path: Path
) -> None:
    first = save(store, GOOD).version
    report(database, "worker", 0, [first.tag])
    known: list[int] = []

    class Watched(Store):
        def publish(self, model: StoredModel) -> Version:
            known.extend(worker.decision for worker in alive(database))
            return super().publish(model)

    def follow() -> None:
        until(lambda: routings(database)[0] == 1, "the decision")
        report(database, "worker", 1, [first.tag])

    following = threading.Thread(target=follow)
    following.start()
    save(Watched(tmp_path / "models", aliases=champions), now(BAD))
    following.join()
    assert known == [1]


def test_from_the_first_alias_on_a_new_version_is_a_candidate(
    store: Store, database: Database
) -> None:
    first = save(store, WORSE_BEFORE).version
    promote(database, "clf", first.version, actor="ann", because="tests", answering=None)
    saved = save(store, now(GOOD))
    assert (saved.outcome, saved.champion) == ("candidate", first.tag)
    assert store.champion("clf") == first
    assert saved.lines[0] == (
        f"It is a candidate: {first.tag} stays champion. To try it on live requests: "
        f"python -m rollout start {saved.version.tag}; to promote it at once: "
        f'python -m models promote {saved.version.tag} --because "…"'
    )


def test_always_promotes_whatever(store: Store, database: Database) -> None:
    first = save(store, GOOD).version
    worse = save(store, now(BAD), "always")
    assert (worse.outcome, worse.answers) == ("promoted", True)
    assert worse.lines[0].endswith("to go back: python -m models rollback clf")
    again = save(store, now(BAD), "always")
    assert store.champion("clf") == again.version
    chain = [(one.action, one.before, one.after) for one in history(database, "clf")]
    assert chain == [
        ("promote", worse.version.version, again.version.version),
        ("promote", first.version, worse.version.version),
        ("found", None, first.version),
    ]


def test_better_promotes_what_is_certainly_better(store: Store, database: Database) -> None:
    save(store, WORSE_BEFORE)
    better = save(store, now(GOOD), "better")
    assert better.outcome == "promoted"
    equal = save(store, now(EQUAL), "better")
    assert equal.outcome == "candidate"
    assert store.champion("clf") == better.version
    assert history(database, "clf")[0].numbers["wins"] == 20


def test_better_keeps_the_champion_where_nobody_had_decided(store: Store) -> None:
    first = save(store, GOOD).version
    saved = save(store, now(EQUAL), "better")
    assert (saved.outcome, store.champion("clf")) == ("candidate", first)


def test_never_makes_a_candidate(store: Store, database: Database) -> None:
    first = save(store, GOOD).version
    saved = save(store, now(EQUAL), "never")
    assert (saved.outcome, store.champion("clf")) == ("candidate", first)
    (found,) = history(database, "clf")
    assert found.because == f"{saved.version.tag} was saved as a candidate"


def test_a_version_that_cannot_be_compared_answers_and_says_so(store: Store) -> None:
    first = save(store, replace(GOOD, reference=None)).version
    saved = save(store, now(BAD))
    assert saved.answers
    assert saved.lines[1] == f"It was not compared with {first.tag}: it has no holdout."


def test_one_that_is_older_changes_nothing(store: Store, home: Path) -> None:
    first = save(store, now(GOOD)).version
    older = replace(BAD, created_at=first.manifest.created_at - timedelta(days=1))
    saved = save(store, older)
    assert (saved.outcome, saved.champion) == ("older", first.tag)
    assert saved.lines == [f"It is older than {first.tag}, which stays champion."]
    assert not home.exists()


def test_without_a_usable_database_things_stay_as_they_were(store: Store, home: Path) -> None:
    first = save(store, GOOD).version
    home.write_bytes(b"a file, in which no database can be")
    saved = save(store, now(BAD))
    assert saved.answers
    assert saved.failure is not None
    assert saved.failure.startswith(
        f"{saved.version.tag} answers, though it is certainly worse than {first.tag}: The database"
    )


def test_nobody_is_called_champion_while_the_database_cannot_be_asked(
    store: Store, home: Path
) -> None:
    first = save(store, GOOD).version
    home.mkdir()
    (home / "records.db").write_bytes(b"not a database, but long enough to look like one" * 100)
    saved = save(store, now(EQUAL))
    assert saved.outcome == "unknown"
    assert saved.lines[0] == (
        f"It is newer than {first.tag}, and answers unless somebody has decided who does."
    )


def test_a_rollout_is_not_overruled(store: Store, database: Database) -> None:
    first = save(store, GOOD).version
    trial = save(store, now(EQUAL), "never").version
    start(
        database,
        "clf",
        trial.version,
        actor="ann",
        because="",
        answering=first.version,
        shadow=0.1,
        rule={},
    )
    saved = save(store, now(EQUAL), "always")
    assert (saved.outcome, saved.champion) == ("candidate", first.tag)
    assert saved.failure is not None
    assert saved.failure.startswith(f"Rollout 1 of {trial.tag} is going on")


def test_a_version_that_cannot_be_saved_leaves_nothing(store: Store) -> None:
    def broken(written: Callable[[Version], object]) -> Version:
        raise ModelError("The disk is full.")

    save(store, GOOD)
    with pytest.raises(ModelError, match="disk is full"):
        succeed(store, broken)
    assert champions() == {}
