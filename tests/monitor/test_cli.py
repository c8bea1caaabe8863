"""``python -m monitor``, in this process."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models.store import Store
from monitor.__main__ import main
from records.champions import promote
from records.database import Database
from records.reports import history
from settings import settings
from tests.drafts import LinearDraft
from tests.monitor.production import HOUR, Production, keep, turned
from tests.monitor.report.test_webhook import listening
from tests.servers import ROOT, closed_port


@pytest.fixture
def run(
    database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CliRunner]:
    monkeypatch.setenv("PUPILA_DATABASE_URL", database_url)
    settings.cache_clear()
    yield CliRunner()
    settings.cache_clear()


def call(run: CliRunner, *arguments: str) -> Result:
    return run.invoke(main, arguments, prog_name="python -m monitor")


@pytest.fixture
def calm(production: Production, database: Database) -> None:
    keep(database, production.version, production.images(0), at=datetime.now(UTC))


@pytest.fixture
def shifted(production: Production, database: Database) -> None:
    """Negatives: a fault of the images, which needs no second window."""
    keep(database, production.version, 255 - production.images(0), at=datetime.now(UTC))


def test_a_calm_window_exits_with_0(calm: None, run: CliRunner, database: Database) -> None:
    done = call(run, "run", "--since", "1h")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "CALM   No problems found, but the accuracy is unknown." in done.stdout
    assert "Nobody has labelled images of the last 30 days. 15 images drawn at random wait" in (
        " ".join(done.stdout.split())
    )
    assert "python -m pipeline ask --model watched" in done.stdout
    assert len(history(database, "watched")) == 3


def test_an_alarm_exits_with_3(shifted: None, run: CliRunner) -> None:
    done = call(run, "run")
    assert done.exit_code == 3
    assert "ALARM  Are the images and labels valid?" in done.stdout
    assert not any(line.endswith(" ") for line in done.stdout.splitlines())
    assert "1. Wrong polarity: 100% of the images look like negatives" in done.stdout


@pytest.mark.parametrize("command", ["run", "watch --once --every 2h"])
def test_an_alarm_is_no_failure_of_a_scheduled_job(
    shifted: None, run: CliRunner, command: str
) -> None:
    done = call(run, *command.split(), "--no-fail-on-alarm")
    assert done.exit_code == 0
    assert "ALARM" in done.stdout


def test_json_is_all_that_is_printed(shifted: None, run: CliRunner) -> None:
    done = call(run, "run", "--json", "--last", "100")
    assert done.exit_code == 3
    (report,) = json.loads(done.stdout)["reports"]
    assert (report["model"], report["state"], report["records"]) == ("watched", "alarm", 100)


def test_a_page_and_a_webhook(calm: None, run: CliRunner, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    with listening() as listener:
        done = call(run, "run", "--html", str(page), "--webhook", listener.url)
    assert done.exit_code == 0
    assert "No problems found, but the accuracy is unknown." in page.read_text()
    assert json.loads(listener.bodies[0])["state"] == "calm"
    assert list(tmp_path.glob(".*.part")) == []


def test_a_webhook_that_fails_loses_no_report(
    calm: None, run: CliRunner, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUPILA_WEBHOOK_URL", f"http://127.0.0.1:{closed_port()}/secret")
    settings.cache_clear()
    done = call(run, "run")
    assert done.exit_code == 1
    assert "No problems found, but the accuracy is unknown." in done.stdout
    assert done.stderr.startswith("Error: The webhook at 127.0.0.1 did not answer (")
    assert "secret" not in done.stderr
    assert len(history(database, "watched")) == 3


def test_an_alarm_counts_for_more_than_an_error(shifted: None, run: CliRunner) -> None:
    done = call(run, "run", "--html", "/nowhere/report.html")
    assert done.exit_code == 3
    assert done.stderr == (
        "Error: /nowhere/report.html cannot be written: No such file or directory.\n"
    )


def test_all_models_that_have_records(
    calm: None, run: CliRunner, production: Production, database: Database, tmp_path: Path
) -> None:
    other = Store().save(LinearDraft(name="another"))
    stranger = Store(tmp_path / "elsewhere").save(LinearDraft(name="stranger"))
    for version in (other, stranger):
        keep(database, version, production.images(1), at=datetime.now(UTC), prefix="b")
    pages = tmp_path / "pages"
    both = tmp_path / "report.html"
    done = call(run, "run", "--html", str(both))
    assert done.exit_code == 0
    page = both.read_text()
    for version in (other, production.version):
        assert f"<strong>{version.tag}</strong>" in page
    assert "<h2>2 models</h2>" in page
    assert page.count("<!doctype html>") == page.count("</main>") == 1
    assert call(run, "run", "--html", str(tmp_path / "of-{model}.html")).exit_code == 0
    assert {"of-another.html", "of-watched.html"} < {page.name for page in tmp_path.iterdir()}
    assert "</article>\n<article" not in (tmp_path / "of-watched.html").read_text()
    done = call(run, "run", "--evidently", str(both))
    assert done.exit_code == 1
    assert "There are 2 models, but " in done.stderr
    pages.mkdir()
    done = call(run, "run", "--html", str(pages))
    assert done.exit_code == 0
    assert "Skipped: The store has no model 'stranger'" in done.stderr
    assert sorted(page.name for page in pages.iterdir()) == ["another.html", "watched.html"]


def test_one_version(
    run: CliRunner, production: Production, database: Database, tmp_path: Path
) -> None:
    version = production.version
    keep(database, version, production.images(0), at=datetime.now(UTC))
    for arguments in (
        ("--version", version.tag),
        ("--model", "watched", "--version", version.version[:8]),
    ):
        assert version.tag in call(run, "run", *arguments).stdout
    assert call(run, "run", "--version", version.version).exit_code == 2
    assert call(run, "run", "--model", "clf", "--version", version.tag).exit_code == 2
    missing = call(run, "run", "--model", "nothing")
    assert missing.exit_code == 1
    assert missing.stderr.startswith("Error: The store has no model 'nothing'")


def test_the_champion_is_inspected_and_not_the_newest_version(
    run: CliRunner, production: Production, database: Database
) -> None:
    champion, newest = (Store().save(LinearDraft(name="aliased")) for _ in range(2))
    for number, version in enumerate((champion, newest)):
        keep(database, version, production.images(0), at=datetime.now(UTC), prefix=str(number))
    promote(database, "aliased", champion.version, actor="ann", because="", answering=None)
    for command in (("run", "--model", "aliased"), ("watch", "--once", "--model", "aliased")):
        done = call(run, *command)
        assert f"{champion.tag} " in done.stdout
        assert f"{newest.tag} " not in done.stdout.replace("\n", " ").split(" images", 1)[0]


def test_a_window_in_the_past(run: CliRunner, production: Production, database: Database) -> None:
    at = datetime(2030, 1, 31, tzinfo=UTC)
    keep(database, production.version, production.images(0), at=at)
    done = call(run, "run", "--until", "2030-01-31", "--since", "1h")
    assert "2030-01-30 23:00 to 2030-01-31 00:00 UTC, 120 predictions" in done.stdout
    assert call(run, "run", "--since", "999999w").exit_code == 0
    same = call(run, "run", "--until", "2030-01-31", "--since", "2030-01-30T23:00")
    assert same.stdout.splitlines()[0] == done.stdout.splitlines()[0]


@pytest.mark.parametrize(
    "arguments", [("--since", "1h", "--last", "9"), ("--data", "."), ("--since", "often")]
)
def test_wrong_usage(run: CliRunner, arguments: tuple[str, ...]) -> None:
    assert call(run, "run", *arguments).exit_code == 2


def test_without_records_the_next_step_is_named(run: CliRunner) -> None:
    done = call(run, "run")
    assert done.exit_code == 1
    assert done.stderr.endswith("send the server some images first.\n")


def test_without_a_database_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUPILA_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    settings.cache_clear()
    for command in ("run", "history"):
        done = call(CliRunner(), command)
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr.startswith("Error: There is no database at ")
    settings.cache_clear()


def test_evidently_that_is_not_installed(calm: None, run: CliRunner, tmp_path: Path) -> None:
    done = call(run, "run", "--evidently", str(tmp_path / "evidently.html"))
    assert done.exit_code == 1
    assert "CALM" in done.stdout
    assert done.stderr == (
        "Error: Evidently is not installed or not compatible: install it with pip install -r "
        "requirements/evidently.txt.\n"
    )


def test_history(calm: None, run: CliRunner, production: Production) -> None:
    assert call(run, "history").stdout.startswith("There are no reports yet")
    call(run, "run", "--since", "1h")
    table = call(run, "history").stdout.splitlines()
    assert table[0].split()[:3] == ["UNTIL", "(UTC)", "LENGTH"]
    assert len(table) == 4
    assert production.version.tag in table[1]
    (drift,) = json.loads(call(run, "history", "--kind", "drift", "--json").stdout)
    assert (drift["state"], drift["images"]) == ("calm", drift["report"]["images"])
    assert drift["reason"] == drift["report"]["reason"]
    assert call(run, "history", "--model", "other").stdout.startswith("There are no reports")


def test_a_label_cannot_move_the_cursor(
    run: CliRunner, production: Production, database: Database
) -> None:
    ids = [f"\x1b[2J{number}" for number in range(120)]
    now = datetime.now(UTC)
    for hour in (1, 0):
        at = now - hour * HOUR
        keep(database, production.version, turned(production.images(hour)), at=at, ids=ids)
        done = call(run, "run", "--since", "1h", "--until", at.isoformat())
    assert done.exit_code == 3
    assert "curl" in done.stdout
    assert "\x1b" not in done.stdout


def test_once_for_cron(run: CliRunner, production: Production, database: Database) -> None:
    keep(database, production.version, 255 - production.images(0), at=datetime.now(UTC))
    done = call(run, "watch", "--once", "--every", "2h")
    assert done.exit_code == 3
    assert "ALARM" in done.stdout
    assert done.stdout.count("\n") == 1
    # The next window has nothing in it yet; it is not the same one again.
    done = call(run, "watch", "--once", "--every", "2h")
    assert done.exit_code == 0
    assert " 0 images: UNKNOWN" in done.stdout


def test_once_for_a_model_that_nobody_knows(run: CliRunner) -> None:
    done = call(run, "watch", "--once", "--model", "nobody")
    assert done.exit_code == 1
    assert "The store has no model 'nobody'" in done.stdout


def test_once_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUPILA_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    settings.cache_clear()
    done = call(CliRunner(), "watch", "--once")
    settings.cache_clear()
    assert done.exit_code == 1
    assert "No model was inspected: There is no database at " in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("watch", "--every", "999999w"),
        ("run", "--last", "99999999999999999999"),
        ("history", "--limit", "99999999999999999999"),
    ],
)
def test_an_absurd_number_is_wrong_usage(run: CliRunner, arguments: tuple[str, ...]) -> None:
    done = call(run, *arguments)
    assert done.exit_code == 2
    assert "Invalid value for" in done.stderr


def test_an_impossible_page_loses_no_report(calm: None, run: CliRunner, database: Database) -> None:
    done = call(run, "run", "--html", "a" * 300)
    assert done.exit_code == 1
    assert done.stderr.endswith("cannot be written: File name too long.\n")
    assert len(history(database, "watched")) == 3


def test_a_closed_pipe_loses_no_report(calm: None, run: CliRunner, database: Database) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "monitor", "run"], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
    assert len(history(database, "watched")) == 3
