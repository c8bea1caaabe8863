"""``python -m rollout``, run in process on a store and a database of its own."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models.store import Store
from models.version import Version
from records.champions import promote, routings
from records.database import Database
from records.rollouts import rollouts, running
from records.verdicts import verdicts
from rollout.__main__ import main
from tests.drafts import LinearDraft
from tests.rollout.production import disagree, tell
from tests.rollout.versions import LETTERS, Held, NearDraft

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def old(store: Store) -> Version:
    return store.save(Held(LinearDraft()))


@pytest.fixture(scope="module")
def new(store: Store, old: Version) -> Version:
    return store.save(NearDraft(noise=0.001))


@pytest.fixture
def database(empty_database: Path, tmp_path: Path, old: Version) -> Database:
    """The older of the two is champion."""
    shutil.copy(empty_database, tmp_path / "records.db")
    database = Database(f"sqlite:///{tmp_path}/records.db")
    promote(database, "clf", old.version, actor="ann", because="tests", answering=None)
    return database


@pytest.fixture
def run(store: Store, database: Database) -> Run:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, obj=(store, database))

    return run


def test_a_rollout_begins_with_the_gate_and_the_shadow(
    run: Run, database: Database, new: Version
) -> None:
    done = run("start", new.tag, "--because", "fresh data")
    assert done.exit_code == 0, done.output
    assert (
        "The gate: too few images to tell: on 400 images of the champion's holdout" in done.output
    )
    assert f"Rollout 1 of {new.tag} has begun in the shadow." in done.output
    rollout = running(database, "clf")
    assert (rollout.challenger, rollout.stage, rollout.shadow) == (new.version, "shadow", 0.1)
    assert rollout.rule["gate"] == "too few images"
    assert rollout.rule["gated"] is False
    assert rollout.rule["verdict"] == verdicts(database, "clf")[0].id


def test_one_that_the_gate_refuses_does_not_begin(
    run: Run, database: Database, store: Store
) -> None:
    worse = store.save(LinearDraft(seed=5))
    done = run("start", worse.tag)
    assert done.exit_code == 1
    assert f"Error: The gate refused {worse.tag}: on 400 images" in done.output
    assert rollouts(database) == []
    assert run("verdict", "clf").output.startswith("refused: on 400 images")
    assert run("start", worse.tag, "--anyway").exit_code == 0


def test_the_champion_is_not_rolled_out(run: Run, old: Version) -> None:
    done = run("start", old.tag)
    assert done.output == (
        f"Error: {old.tag} answers already: roll out another version, or first make an older one "
        "the champion with: python -m models promote\n"
    )


@pytest.mark.parametrize(
    ("draft", "fault"),
    [
        (LinearDraft(labels=(*range(9), 10)), "its labels differ: it lacks 9 and adds 10"),
        (LinearDraft(labels=LETTERS), "its labels differ: it lacks 0, 1, 2"),
        (LinearDraft(probabilities=False), "it gives scores instead of probabilities"),
    ],
)
def test_another_contract_is_refused_unless_told(
    run: Run, store: Store, draft: LinearDraft, fault: str
) -> None:
    version = store.save(draft)
    done = run("start", version.tag)
    assert done.exit_code == 1
    assert fault in done.output
    assert done.output.endswith("If clients expect that, add --anyway.\n")
    assert run("start", version.tag, "--anyway").exit_code == 0


def test_two_rollouts_of_a_model_are_one_too_many(run: Run, new: Version) -> None:
    run("start", new.tag)
    assert "Rollout 1 of clf:" in run("start", new.tag).output


def test_a_rollout_is_paused_resumed_and_aborted(
    run: Run, database: Database, new: Version
) -> None:
    run("start", new.tag)
    assert run("pause", "clf").output == f"Paused rollout 1 of {new.tag}.\n"
    assert running(database, "clf").paused
    assert "it is paused" in run("guard").output
    assert run("resume", "clf").output == f"Rollout 1 of {new.tag} goes on.\n"
    assert run("abort", "clf", "--because", "a holiday").exit_code == 0
    assert rollouts(database)[0].stage == "aborted"
    text = run("history", "clf").output
    assert [word in text for word in ("abort", "resume", "pause", "start", "a holiday")] == [
        True
    ] * 5
    assert "command line" in text


def test_a_person_may_promote_it(run: Run, database: Database, new: Version) -> None:
    run("start", new.tag)
    assert "python -m models rollback clf" in run("promote", "clf").output
    known = routings(database)[1]
    assert known is not None
    assert known["clf"].champion == new.version


@pytest.mark.parametrize("command", ["pause", "resume", "promote", "abort"])
def test_what_is_not_going_on_cannot_be_changed(run: Run, command: str) -> None:
    done = run(command, "clf")
    assert done.exit_code == 1
    assert done.output.startswith("Error: No rollout of model 'clf' is going on")


def test_the_guard_takes_a_step(run: Run, database: Database, new: Version) -> None:
    run("start", new.tag)
    assert "clf stay: 0 of 200 images were compared" in run("guard").output
    ids = disagree(database, running(database, "clf"), 12)
    assert "12 images were named to label first" in run("guard").output
    tell(database, ids, 8)
    said = "roll back: rolled back: of 12 images where the two disagreed"
    assert said in run("guard").output
    assert run("guard").output == ""


def test_status(run: Run, database: Database, new: Version) -> None:
    assert run("status").output.startswith("No rollout is going on")
    run("start", new.tag)
    text = run("status").output
    assert f"1: {new.tag}" in text
    assert "shadow, 0% of the requests" in text
    assert "0 of 200 images were compared" in text
    [row] = json.loads(run("status", "clf", "--json").output)
    assert row["rollout"]["challenger"] == new.version
    assert row["guard"]["what"] == "stay"


def test_history_and_verdict_before_there_are_any(run: Run, database: Database) -> None:
    assert "promote" in run("history").output
    assert run("history", "other").output == "Nothing was decided yet.\n"
    assert "has judged no version of model 'clf' yet" in run("verdict", "clf").output


def test_a_verdict_is_a_page_and_json(run: Run, tmp_path: Path, new: Version) -> None:
    page = tmp_path / "verdict.html"
    assert run("start", new.tag, "--html", str(page)).exit_code == 0
    assert f"{new.tag}: too few images" in page.read_text(encoding="utf-8")
    assert run("verdict", "clf", "--html", str(tmp_path)).exit_code == 2
    again = tmp_path / "again.html"
    body = json.loads(run("verdict", "clf", "--json", "--html", str(again)).output)
    assert body["challenger"] == new.tag
    assert again.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_one_sentence(run: Run, new: Version) -> None:
    done = run("start", new.tag, "--html", "/nowhere/page.html")
    assert done.output.startswith("Error: /nowhere/page.html cannot be written: No such file")
