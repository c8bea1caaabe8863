"""Commands that bring a version to the servers."""

from pathlib import Path

import pytest

from errors import PipelineError
from pipeline.publishing import publish


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
