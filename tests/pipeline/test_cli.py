"""``python -m pipeline``, as a user calls it."""

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result

import cli
from pipeline.__main__ import NOT_DUE, main
from records.retrainings import advance, begin
from settings import settings
from tests.pipeline.conftest import Place
from train import recipes
from train.options import RECIPES


@pytest.fixture(autouse=True)
def chosen(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PUPILA_DATABASE_URL", str(place.database.url))
    settings.cache_clear()
    yield
    settings.cache_clear()


def call(place: Place, *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, obj=place.store, prog_name="python -m pipeline")


def test_the_recipes_are_those_of_training() -> None:
    assert tuple(recipes.RECIPES) == RECIPES


def test_data_says_what_would_be_trained_on_and_what_not(place: Place) -> None:
    pixels, labels = place.some(0, 40)
    place.serve(pixels, labels, drawn="random")
    place.serve(pixels[:3], [77, "\x1b[2J", 77], prefix="new")
    done = call(place, "data", "--model", "clf")
    assert done.exit_code == 0, done.output
    # It takes minutes where there are many photos.
    assert done.stderr == f"Assembling the data to retrain {place.champion.tag} ...\n"
    assert done.stdout.startswith(f"To retrain {place.champion.tag}: ")
    assert "Labels outside the champion's classes: 77 (2), ?[2J (1)" in done.output
    assert "add --accept-new-classes" in done.output
    found = json.loads(call(place, "data", "--model", "clf", "--json").stdout)
    assert sum(found["production"].values()) > 0
    assert {"reason": "new class", "image": "new-0", "label": 77, "detail": ""} in found["left_out"]


def test_a_model_that_is_not_there_is_one_sentence(place: Place) -> None:
    for command in ("data", "retrain", "ask"):
        done = call(place, command, "--model", "other")
        assert done.exit_code == 1
        assert done.stderr.count("\n") == 1
        assert "The store has no model 'other'" in done.stderr


def test_if_nothing_is_due_it_says_why_and_exits_with_4(place: Place) -> None:
    done = call(place, "retrain", "--model", "clf", "--if-due")
    assert done.exit_code == NOT_DUE, done.output
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["accuracy", "no"],
        ["labels", "no"],
        ["age", "no"],
    ]


def test_options_of_a_search_need_one(place: Place) -> None:
    done = call(place, "retrain", "--model", "clf", "--dask", "tcp://nowhere:1")
    assert done.exit_code == 2
    assert "add --search N" in done.stderr


def test_what_failed_is_an_error(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUPILA_RETRAIN_SECONDS", "1")
    settings.cache_clear()
    done = call(place, "retrain", "--model", "clf")
    assert (done.exit_code, done.stderr) == (1, "Error: It took more than 1 s.\n")
    assert "failed" in call(place, "history").output


def test_history_lists_what_came_of_each(place: Place) -> None:
    assert call(place, "history").output == "Nothing was retrained yet.\n"
    one = begin(place.database, "clf", "age", "old", place.champion.version)
    advance(place.database, one.id, "trained", challenger="abc", detail="12 images")
    lines = call(place, "history").output.splitlines()
    assert lines[1].split()[0] == str(one.id)
    assert {"trained", "age", "abc"} <= set(lines[1].split())


def test_ask_lists_what_waits_for_a_label(place: Place) -> None:
    names = place.serve(place.some(0, 15)[0])
    done = call(place, "ask", "--model", "clf")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("15 labels asked for (drawn at random), 0 before.\n")
    found = json.loads(call(place, "ask", "--model", "clf", "--json").output)
    assert {one["request_id"] for one in found} == set(names)
    assert {one["drawn"] for one in found} == {"random"}


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--fail-on-alarm",), cli.ALARM)])
def test_an_alarm_is_a_failure_if_you_say_so(
    place: Place, options: tuple[str, ...], code: int
) -> None:
    handlers = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT)]
    # Negatives: a fault of the images, which needs no second window.
    place.serve(255 - place.some(0, 100)[0], at=datetime.now(UTC) + timedelta(minutes=59))
    done = call(place, "once", "--model", "clf", "--task", "monitor", "--every", "2h", *options)
    assert done.exit_code == code, done.output
    assert "ALARM" in done.output
    for number, handler in handlers:
        signal.signal(number, handler)
