"""Commands that bring a version to the servers."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from errors import PipelineError
from pipeline import candidate
from pipeline.publishing import publish
from records.retrainings import Retraining, advance, begin, judged, retraining
from records.rollouts import rollouts
from records.verdicts import VerdictRow
from settings import Settings
from tests.pipeline.conftest import Place


@pytest.fixture
def passed(place: Place) -> Retraining:
    """A retraining whose version the gate has passed."""
    champion = place.champion.version
    one = begin(place.database, "clf", "age", "it is old", champion)
    advance(place.database, one.id, "trained", challenger="v2")
    row = VerdictRow(datetime.now(UTC), "clf", champion, "v2", "passed", "{}")
    judged(place.database, one.id, row, "it is as good")
    return retraining(place.database, one.id)


def test_the_command_gets_the_tag(tmp_path: Path) -> None:
    script = tmp_path / "a script"
    script.write_text('echo "$2 of $1" >"$0.out"\n')
    publish(f"sh '{script}' option", "clf:v2")
    assert (tmp_path / "a script.out").read_text() == "clf:v2 of option\n"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("sh -c 'echo no such bucket >&2; exit 3'", "ended with 3: no such bucket."),
        ("false", "ended with 1."),
        ("/nowhere/push", "cannot be run ("),
        ("sh 'push", "cannot be run ("),
        ("sh -c 'sleep 600 & wait'", "took more than 0.2 s."),
    ],
)
def test_a_command_that_fails_is_said_in_one_sentence(command: str, sentence: str) -> None:
    with pytest.raises(PipelineError) as found:
        publish(command, "clf:v2", seconds=0.2 if "sleep" in command else 60)
    beginning = "clf:v2 was not published: the command of PUPILA_PUBLISH "
    assert str(found.value).startswith(beginning + sentence)
    assert "\n" not in str(found.value)


def test_a_rollout_begins_once_its_version_is_published(
    place: Place, passed: Retraining, tmp_path: Path
) -> None:
    script = tmp_path / "publish"
    script.write_text('[ -e "$0.there" ] && echo "$1" >"$0.done"\n')
    settings = Settings(publish=f"sh {script}")
    with pytest.raises(PipelineError, match="clf:v2 was not published"):
        candidate.step(place.database, place.store, passed, settings)
    assert retraining(place.database, passed.id) == passed
    assert rollouts(place.database, "clf") == []
    (tmp_path / "publish.there").touch()
    done = candidate.step(place.database, place.store, passed, settings)
    assert done.retraining.state == "rolling out"
    assert (tmp_path / "publish.done").read_text() == "clf:v2\n"


def test_servers_that_share_the_store_need_no_command(place: Place, passed: Retraining) -> None:
    done = candidate.step(place.database, place.store, passed, Settings())
    assert done.retraining.state == "rolling out"
