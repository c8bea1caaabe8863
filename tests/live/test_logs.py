"""What a server with several workers logs: every line of it, from its start to its end."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.store import Store
from models.version import Version
from records import keys
from records.champions import promote
from records.database import Database
from records.key import Key, digest_of, new_secret
from tests.drafts import LinearDraft
from tests.servers import Server, serve
from tests.waiting import until

BODY = json.loads(Path("tests/data/predict_digit8.json").read_bytes())
WEBHOOK = "https://hooks.example.com/services/T0/B1/hush"

Line = dict[str, Any]


class Life:
    """A server's, and what it has logged so far."""

    def __init__(self, server: Server, first: Version, second: Version) -> None:
        self.server, self.first, self.second = server, first, second
        self.victim = 0

    def lines(self) -> list[Line]:
        return [json.loads(line) for line in self.server.log.read_text().splitlines()]

    def find(self, event: str, **about: object) -> list[Line]:
        return [
            line
            for line in self.lines()
            if line["event"] == event and about.items() <= line.items()
        ]

    def wait(self, count: int, event: str, **about: object) -> list[Line]:
        until(lambda: len(self.find(event, **about)) >= count, f"{event} {about}")
        return self.find(event, **about)


def secret() -> tuple[str, bytes]:
    made = new_secret()
    digest = digest_of(made.encode())
    assert digest is not None
    return made, digest


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """One server for all tests; after the last, everything that it logged is one JSON object a
    line, whoever wrote it."""
    home = tmp_path_factory.mktemp("home")
    store = Store(home / "models")
    first = store.save(LinearDraft(answer=3))
    second = store.save(LinearDraft(answer=8))
    with serve(home, workers=2, access_log_rate=1, webhook_url=WEBHOOK) as server:
        life = Life(server, first, second)
        life.wait(2, "a worker has started")
        yield life
    lines = life.lines()
    assert {"time", "level", "logger", "event", "pid"} <= set.intersection(*map(set, lines))
    assert lines[-1]["event"] == "the server has ended"
    assert len(life.find("a worker has ended")) == 2
    text = server.log.read_text()
    assert "hush" not in text
    assert "pupila_" not in text


def test_the_start_is_a_line_with_the_settings(life: Life) -> None:
    (line,) = life.find("the server starts")
    assert line["workers"] == 2
    assert line["settings"]["PUPILA_QUEUE_SIZE"] == 4096
    assert line["settings"]["PUPILA_WEBHOOK_URL"] == "https://hooks.example.com/***"
    assert datetime.fromisoformat(line["time"]).tzinfo is not None
    assert life.find("the database was created")
    (line,) = life.find("the server listens")
    assert life.server.url.endswith(f":{line['port']}")


def test_both_workers_say_what_they_loaded_and_who_is_champion(life: Life) -> None:
    tag = life.second.tag
    for event in ("a version was loaded", f"{tag} is champion"):
        found = life.wait(2, event, model="clf", version=life.second.version)
        assert {line["worker"] for line in found[:2]} == {1, 2}


def test_at_rate_1_each_request_is_a_line(life: Life) -> None:
    for number in range(5):
        life.server.post("/predict/", json=BODY | {"request_id": f"line-{number}"})
    found = life.wait(5, "request", route="/predict/", status=200, model="clf")
    ours = [line for line in found if str(line["request_id"]).startswith("line-")]
    assert [line["request_id"] for line in ours] == [f"line-{number}" for number in range(5)]
    assert len({line["trace_id"] for line in ours}) == 5
    assert all(0 < line["seconds"] < 60 and line["worker"] in (1, 2) for line in ours)


def test_a_rejected_image_says_why(life: Life) -> None:
    life.server.post("/predict/", json=BODY | {"image": "%%%"})
    (line, *_) = life.wait(1, "request", status=400)
    assert line["error"] == "Invalid image data: it is not base64"


def test_a_refused_version_is_a_line_with_its_reason(life: Life) -> None:
    hidden, path = (life.first.path.with_name(name) for name in (".x", "x" * 16))
    copy(life.first.path, hidden)
    (hidden / "model.onnx").write_bytes(b"another")
    hidden.rename(path)
    life.server.post("/predict/", json=BODY | {"model": f"clf:{path.name}"})

    def refused() -> bool:
        life.server.post("/predict/", json=BODY | {"model": f"clf:{path.name}"})
        return any(
            line["event"].startswith(f"clf:{path.name} is not served: ")
            and (line["model"], line["version"]) == ("clf", path.name)
            for line in life.lines()
        )

    until(refused, "the refusal")
    failed = life.wait(1, "request failed", status=500)
    assert failed[0]["level"] == "error"
    assert failed[0]["error"]


def test_a_promotion_is_a_line_of_each_worker(life: Life) -> None:
    with Database(f"sqlite:///{life.server.home}/pupila/records.db") as database:
        promote(database, "clf", life.first.version, actor="ann", because="tests", answering=None)
    found = life.wait(2, f"{life.first.tag} is champion")
    assert {line["worker"] for line in found} == {1, 2}
    assert found[0]["before"] == life.second.tag


def test_a_death_and_its_replacement_are_a_line_each(life: Life) -> None:
    before = life.server.workers()
    victim = before[0]
    os.kill(victim, signal.SIGKILL)
    (death,) = life.wait(1, "a worker died: a signal ended it", process=victim)
    assert (death["level"], death["signal"], death["reason"]) == ("error", "SIGKILL", "signal")
    (line,) = life.wait(1, "a dead worker is replaced", replaces=victim)
    assert line["worker"] == death["worker"]
    life.wait(1, "a worker has started", pid=line["process"])


def test_keys_are_told_by_name_as_the_workers_see_them(life: Life) -> None:
    """The last: from now on, the server is closed."""
    _, digest = secret()
    key = Key(name="shop", digest=digest, scopes=("predict",), created_at=datetime.now(UTC))
    steps: list[tuple[str, Callable[[Database], object]]] = [
        ("a key was created", lambda database: keys.create(database, key)),
        ("a key was created", lambda database: keys.create(database, another(key))),
        ("a key was replaced", lambda database: keys.rotate(database, "shop", secret()[1])),
        ("a key was revoked", lambda database: keys.revoke(database, "shop")),
    ]
    for event, change in steps:
        with Database(f"sqlite:///{life.server.home}/pupila/records.db") as database:
            change(database)
        life.wait(2, event, key="other" if change is steps[1][1] else "shop")


def another(key: Key) -> Key:
    return replace(key, name="other", digest=secret()[1])


def copy(source: Path, target: Path) -> None:
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
