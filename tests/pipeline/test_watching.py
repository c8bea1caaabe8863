"""``python -m pipeline once`` and ``watch``: what they say, and when they end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.__main__ import main
from pipeline.event import Event
from pipeline.watching import _speaker
from settings import settings
from tests.pipeline.conftest import Place
from tests.servers import ROOT, environment


def once(place: Place, *arguments: str) -> tuple[int, list[dict[str, object]]]:
    result = CliRunner().invoke(main, ["once", "--json", *arguments], obj=place.store)
    return result.exit_code, [json.loads(line) for line in result.output.splitlines()]


@pytest.fixture
def at_home(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("PUPILA_DATABASE_URL", str(place.database.url))
    settings.cache_clear()
    yield place
    settings.cache_clear()


def test_once_does_each_task_and_says_what_it_did(at_home: Place) -> None:
    at_home.serve(*at_home.some(0, 40))
    code, events = once(at_home)
    assert code == 0
    found = [(event["task"], event["what"]) for event in events]
    assert found == [("monitor", "inspected"), ("monitor", "asked"), ("retrain", "not due")]
    assert events[0]["state"] == "unknown"
    assert events[1]["asked"] == 15
    assert events[1]["because"] == "15 labels asked for: drawn at random"


def test_only_the_tasks_that_were_asked_for(at_home: Place) -> None:
    at_home.serve(*at_home.some(0, 5))
    _, events = once(at_home, "--task", "guard", "--task", "retrain")
    assert [event["task"] for event in events] == ["retrain"]


def test_a_model_that_is_not_here_is_no_failure(at_home: Place) -> None:
    code, events = once(at_home, "--model", "other", "--task", "retrain")
    assert code == 0
    assert events[0]["what"] == "waits"
    assert "other" in str(events[0]["because"])


def test_a_database_that_is_away_is_a_failure(at_home: Place) -> None:
    assert at_home.database.file is not None
    at_home.database.file.rename(at_home.database.file.with_name("away.db"))
    code, events = once(at_home)
    assert code == 1
    assert [event["what"] for event in events] == ["failed"] * 3
    assert "There is no database at" in str(events[0]["because"])


def test_a_watch_says_what_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    say = _speaker(as_json=False, news_only=True)
    for event in (
        Event("retrain", "clf", "not due", "3 of 200 labels", quiet=True),
        Event("retrain", "clf", "not due", "4 of 200 labels", quiet=True),
        Event("guard", None, "failed", "the database is away", fault=True),
        Event("guard", None, "failed", "the database is away", fault=True),
        Event("retrain", "clf", "begins", "labels: 200"),
        Event("retrain", "clf", "not due", "0 of 200 labels", quiet=True),
    ):
        say(event)
    lines = [line.partition(" ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "retrain clf: not due: 3 of 200 labels",
        "guard: failed: the database is away",
        "retrain clf: begins: labels: 200",
        "retrain clf: not due: 0 of 200 labels",
    ]


def test_a_watch_waits_for_its_database_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "pipeline", "watch", "--seconds", "0.1"],
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(3)]
        os.kill(process.pid, signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 0
    assert all("failed: There is no database at" in line for line in said)
    assert rest == ""
