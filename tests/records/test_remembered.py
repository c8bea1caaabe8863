"""What a server knew last."""

from dataclasses import replace
from pathlib import Path

import pytest

from records.remembered import remember, remembered
from records.routing import Rollout, Routing
from tests.records.rows import NOON

ROLLOUT = Rollout(3, "clf", "a", "b", "canary", 0.05, 0.1, False, NOON, NOON, rule={"alpha": 0.05})
KNOWN = {"clf": Routing("clf", "a", "b", ROLLOUT), "other": Routing("other", "c")}


def test_what_was_known_is_known_again(tmp_path: Path) -> None:
    path = tmp_path / "home" / "known-aliases.json"
    remember(path, 7, KNOWN)
    assert remembered(path) == (7, KNOWN)
    ended = {"clf": Routing("clf", "b", None, replace(ROLLOUT, ended_at=NOON))}
    remember(path, 8, ended)
    assert remembered(path) == (8, ended)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"decision": 1}', '{"decision": 1, "models": {"clf": 3}}']
)
def test_a_broken_file_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "known-aliases.json"
    assert remembered(path) is None
    path.write_text(content)
    assert remembered(path) is None
