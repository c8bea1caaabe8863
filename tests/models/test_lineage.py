"""``python -m models promote``, ``rollback``, ``history``, and what aliases mean to the others."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models.__main__ import main
from models.store import Store
from models.version import Version
from records.current import champions
from records.database import Database
from records.decisions import history
from records.remembered import FILE, remember
from records.rollouts import finish, move, pause, running, start
from records.routing import Routing
from settings import settings
from tests.drafts import LinearDraft, holdout
from tests.honesty import honest_draft

Run = Callable[..., Result]
WHY = ("--because", "tests say so")


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
def versions(store: Store) -> list[Version]:
    begin = datetime.now(UTC) - timedelta(hours=1)
    times = [begin + timedelta(minutes=minute) for minute in range(3)]
    return [store.save(LinearDraft(created_at=time)) for time in times]


@pytest.fixture
def run(tmp_path: Path, home: Path) -> Run:
    def run(*arguments: str) -> Result:
        opened = Store(tmp_path / "models", aliases=champions)
        return CliRunner().invoke(main, arguments, obj=opened, prog_name="python -m models")

    return run


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    with Database.of(create=True) as opened:
        opened.prepare()
        yield opened


def begin_rollout(database: Database, champion: Version, challenger: Version) -> None:
    start(
        database,
        "clf",
        challenger.version,
        actor="ann",
        because="to see",
        answering=champion.version,
        shadow=0.1,
        rule={},
    )


def test_a_promotion_and_its_undoing(store: Store, versions: list[Version], run: Run) -> None:
    first, _, newest = versions
    done = run("promote", first.tag, *WHY)
    assert done.output == (
        f"{first.tag} is now the champion instead of {newest.tag}.\n"
        "To go back: python -m models rollback clf\n"
    )
    assert store.champion("clf") == first
    done = run("rollback", "clf")
    assert done.output == f"{newest.tag} is the champion again, instead of {first.tag}.\n"
    assert store.champion("clf") == newest


def test_a_prefix_is_enough(store: Store, run: Run) -> None:
    version, _ = store.save(LinearDraft()), store.save(LinearDraft())
    assert run("promote", version.tag[:-2], *WHY).exit_code == 0
    assert store.champion("clf") == version


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("promote", "clf:nothing"), "No single version matches 'clf:nothing'"),
        (("rollback", "clf"), "Model 'clf' cannot be rolled back: it has no alias yet."),
        (("promote", "other"), "The store here has no model 'other': write the whole tag"),
        (("promote", "clf:challenger"), "Model 'clf' has no challenger"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    versions: list[Version], run: Run, arguments: tuple[str, ...], sentence: str
) -> None:
    done = run(*arguments, *WHY)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: " + sentence.format(newest=versions[-1].version))
    assert champions() == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ("promote", "clf"),
        ("promote", "clf", "--because", "  \n "),
        ("promote", "Clf", *WHY),
        ("promote", "", *WHY),
        ("rollback", "clf:abc"),
        ("rollback", "clf", "--because", ""),
        ("history", "../clf"),
        ("history", "clf", "--limit", "0"),
    ],
)
def test_wrong_usage_exits_with_2(versions: list[Version], run: Run, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_the_version_that_answers_can_be_kept(
    store: Store, versions: list[Version], run: Run
) -> None:
    newest = versions[-1].tag
    done = run("promote", "clf", *WHY)
    assert done.output == f"{newest} is the champion; versions saved after it are candidates.\n"
    store.save(LinearDraft())
    assert store.champion("clf") == versions[-1]
    assert run("promote", "clf", *WHY).stderr == f"Error: {newest} is the champion already.\n"
    assert "has no predecessor" in run("rollback", "clf").stderr


def test_no_predecessor_is_said(versions: list[Version], run: Run) -> None:
    run("promote", versions[0].tag, *WHY)
    run("rollback", "clf")
    assert run("rollback", "clf").stderr == (
        f"Error: Model 'clf' cannot be rolled back: {versions[-1].tag} has no predecessor.\n"
    )


def test_a_rollback_does_not_lead_to_what_is_gone(
    store: Store, versions: list[Version], run: Run
) -> None:
    first, second, newest = versions
    run("promote", first.tag, *WHY)
    store.delete(newest)
    done = run("rollback", "clf")
    assert done.exit_code == 1
    assert f"{newest.tag}, which was champion before, is not in the store" in done.stderr
    assert store.champion("clf") == first
    assert run("promote", second.tag, *WHY).exit_code == 0


def test_the_database_alone_is_enough(database: Database, run: Run) -> None:
    for letter in "abc":
        done = run("promote", f"clf:{letter * 16}", *WHY)
        assert done.stderr == (
            f"The store here has no model 'clf': clf:{letter * 16} was not checked.\n"
        )
    assert run("rollback", "clf").stdout.startswith(f"clf:{'b' * 16} is the champion again")
    assert len(history(database, "clf")) == 4


def test_a_store_that_cannot_be_read_does_not_keep_anybody_from_going_back(
    database: Database, versions: list[Version], run: Run, tmp_path: Path
) -> None:
    first, _, newest = versions
    run("promote", first.tag, *WHY)
    (tmp_path / "models" / "clf").rename(tmp_path / "away")
    (tmp_path / "models" / "clf").symlink_to("clf")
    assert run("rollback", "clf").output == (
        f"{newest.tag} is the champion again, instead of {first.tag}.\n"
    )
    done = run("promote", first.tag, *WHY)
    assert done.stderr == f"The store here cannot be read: {first.tag} was not checked.\n"
    assert "write the whole tag" in run("promote", "clf", *WHY).stderr


def test_a_version_whose_files_were_altered_is_not_promoted(
    versions: list[Version], run: Run
) -> None:
    (versions[0].path / "model.onnx").write_bytes(b"something else")
    done = run("promote", versions[0].tag, *WHY)
    assert "is not the file that was saved" in done.stderr
    assert champions() == {}


def test_history_tells_who_was_champion_when_and_why(versions: list[Version], run: Run) -> None:
    first, _, newest = versions
    assert run("history", "clf").output == (
        "Nobody has promoted a version of clf yet: its newest one answers.\n"
    )
    run("promote", first.tag, "--because", "it is\x1b[2J\n faster")
    run("rollback", "clf", "--because", "it was not")
    heading, rollback, promotion, found = run("history", "clf").output.splitlines()
    assert heading.split() == ["AT", "(UTC)", "WHAT", "CHAMPION", "BEFORE", "BY", "BECAUSE"]
    assert rollback.split()[2:5] == ["rollback", newest.version, first.version]
    assert rollback.rstrip().endswith("command line  it was not")
    assert promotion.split()[2:5] == ["promote", first.version, newest.version]
    assert promotion.rstrip().endswith("it is?[2J faster")
    assert found.split()[2:4] == ["found", newest.version]
    assert len(run("history", "clf", "--limit", "1").output.splitlines()) == 2
    rows = json.loads(run("history", "clf", "--json").output)
    assert [row["action"] for row in rows] == ["rollback", "promote", "found"]


def test_history_has_the_rollouts(database: Database, versions: list[Version], run: Run) -> None:
    first, second, _ = versions
    begin_rollout(database, first, second)
    seen = running(database, "clf")
    move(database, seen, "canary", 0.25, actor="guard", because="enough was seen")
    pause(database, running(database, "clf"), actor="ann", because="to look at it")
    finish(database, running(database, "clf"), "gain", actor="guard", because="it is better")
    what = [line[21:].split("  ")[0] for line in run("history", "clf").output.splitlines()[1:]]
    assert what == [
        "rollout 1: gain",
        "rollout 1: pause",
        "rollout 1: canary 25%",
        "rollout 1: start",
        "found",
    ]


def test_list_shows_aliases_and_rollouts(
    database: Database, versions: list[Version], run: Run
) -> None:
    first, second, newest = versions
    assert "ROLLOUT" not in run("list").output
    begin_rollout(database, first, second)
    heading, *rows = run("list").output.splitlines()
    assert heading.split()[:3] == ["TAG", "ALIAS", "ROLLOUT"]
    assert rows[0].split()[:2] == [first.tag, "champion"]
    assert rows[1].split()[:4] == [second.tag, "challenger", "shadow", "10%"]
    assert rows[2].split()[0] == newest.tag
    assert "champion" not in rows[2]
    move(database, running(database, "clf"), "canary", 0.25, actor="ann", because="")
    pause(database, running(database, "clf"), actor="ann", because="")
    assert run("list").output.splitlines()[2].split()[1:5] == [
        *("challenger", "canary", "25%,", "paused"),
    ]


def test_the_other_commands_honour_aliases(
    database: Database, versions: list[Version], run: Run, tmp_path: Path
) -> None:
    first, second, _ = versions
    begin_rollout(database, first, second)
    assert run("show", "clf").output.startswith(first.tag)
    assert run("show", "clf:challenger").output.startswith(second.tag)
    assert run("verify", "clf:champion").output.startswith(first.tag)
    assert first.tag in run("export", "clf", str(tmp_path / "one")).output


def test_what_answers_or_may_answer_again_is_not_deleted(
    database: Database, versions: list[Version], run: Run
) -> None:
    first, second, newest = versions
    run("promote", first.tag, *WHY)
    begin_rollout(database, first, second)
    for version, sentence in (
        (first, "is the champion; promote another one first: python -m models promote TAG"),
        (second, "is the challenger; end its rollout first: python -m rollout abort clf"),
        (newest, "is the version that a rollback would return to; it can be deleted once another"),
    ):
        done = run("delete", version.tag, "--yes")
        assert done.exit_code == 1
        assert done.stderr.startswith(f"Error: {version.tag} {sentence}")
    finish(database, running(database, "clf"), "gain", actor="ann", because="")
    assert run("delete", newest.tag, "--yes").output == f"Deleted {newest.tag}.\n"


def test_without_a_decision_the_newest_version_may_be_deleted(
    versions: list[Version], run: Run, home: Path
) -> None:
    assert run("delete", "clf", "--yes").exit_code == 0
    assert not home.exists()


def test_what_a_server_knew_last_is_not_deleted_either(
    versions: list[Version], run: Run, home: Path
) -> None:
    remember(home / FILE, 1, {"clf": Routing("clf", versions[0].version)})
    assert "is the champion" in run("delete", versions[0].tag, "--yes").stderr
    assert run("delete", versions[1].tag, "--yes").exit_code == 0


def test_nothing_is_deleted_while_the_database_cannot_be_asked(
    versions: list[Version], run: Run, home: Path
) -> None:
    home.mkdir()
    (home / "records.db").write_bytes(b"not a database, but long enough to look like one" * 100)
    done = run("delete", versions[0].tag, "--yes")
    assert "Error: The database" in done.stderr
    assert versions[0].path.exists()


def test_an_import_that_is_certainly_worse_does_not_answer(
    store: Store, run: Run, tmp_path: Path
) -> None:
    other = Store(tmp_path / "other" / "models")
    good = LinearDraft(answer=8, reference=holdout([8] * 30))
    first = store.save(good)
    worse = other.save(LinearDraft(answer=3))
    file = tmp_path / "worse.bentomodel"
    other_run = CliRunner().invoke(main, ("export", worse.tag, str(file)), obj=other)
    assert other_run.exit_code == 0
    done = run("import", str(file))
    assert done.stdout.splitlines()[0] == f"Imported {worse.tag}"
    assert f"It is certainly worse than {first.tag}, which stays champion" in done.stdout
    assert store.champion("clf") == first
    again = run("import", str(file))
    assert again.stderr == f"Error: {worse.tag} is already in the store.\n"


def test_a_copy_that_abstains_is_promoted(run: Run, store: Store, database: Database) -> None:
    plain = store.save(LinearDraft(honest=honest_draft()))
    done = run("promote", plain.tag, *WHY, "--abstain", "0.9")
    assert done.exit_code == 0
    copy = store.champion("clf")
    assert copy.version != plain.version
    assert (copy.manifest.abstain, copy.manifest.parent) == (0.9, plain.tag)
    assert copy.manifest.files == plain.manifest.files
    copy.artifact.verify()
    assert copy.artifact.manifest.content == copy.artifact.content
    # Asked for once more, it is that one.
    run("promote", copy.tag, *WHY, "--abstain", "0.9")
    assert len(store.versions("clf")) == 2
    run("rollback", "clf")
    assert history(database, "clf")[0].after == plain.version


@pytest.mark.parametrize(
    ("before", "after", "coverage"),
    [
        (["--abstain"], [], 0.95),
        (["--abstain", "0.9"], [], 0.9),
        (["--abstain=0.9"], [], 0.9),
        ([], ["--abstain"], 0.95),
        (["--abstain", "--"], [], 0.95),
    ],
)
def test_the_coverage_may_be_left_out_wherever_the_option_stands(
    run: Run, store: Store, before: list[str], after: list[str], coverage: float
) -> None:
    version = store.save(LinearDraft(honest=honest_draft()))
    done = run("promote", *WHY, *before, version.tag, *after)
    assert done.exit_code == 0, done.output
    assert store.champion("clf").manifest.abstain == coverage


def test_a_coverage_that_is_none_is_still_refused(run: Run, versions: list[Version]) -> None:
    done = run("promote", *WHY, "--abstain", "0,9", versions[0].tag)
    assert done.exit_code == 2
    assert "'0,9' is not a valid float" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("draft", "coverage", "sentence"),
    [
        (LinearDraft(), "0.9", "--name clf --image-spec digits --check FOLDER --accuracy SHARE"),
        (LinearDraft(probabilities=False), "0.9", "gives scores and no probabilities, so it"),
        (
            LinearDraft(honest=honest_draft()),
            "0.999",
            "250 images, which state coverages up to 0.996: to abstain by 0.999 needs 999.",
        ),
    ],
)
def test_one_that_cannot_abstain_is_not_promoted(
    run: Run, store: Store, draft: LinearDraft, coverage: str, sentence: str
) -> None:
    version = store.save(draft)
    done = run("promote", version.tag, *WHY, "--abstain", coverage)
    assert done.exit_code == 1
    assert sentence in " ".join(done.output.split())
    assert len(store.versions("clf")) == 1
