"""Promotions and rollouts on a running server: every worker follows, and no client sees any."""

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest

from models.store import Store
from models.version import Version
from records.champions import promote
from records.database import Database
from records.decisions import history
from records.rollouts import finish, move, running, start
from records.workers import alive
from settings import Settings
from tests.challengers import Challenger, not_a_number, raising
from tests.databases import postgres_server
from tests.drafts import LinearDraft
from tests.servers import NO_TLS, Server, serve
from tests.waiting import PATIENCE_SECONDS, until

BODY = json.loads(Path("tests/data/predict_digit8.json").read_bytes())
WHO: dict[str, Any] = {"actor": "ada", "because": "why not"}


class House:
    """A store of versions that each have a label of their own, and their server."""

    def __init__(self, home: Path, url: str | None = None) -> None:
        self.home = home
        self.store = Store(home / "models")
        self.one, self.two = (self.store.save(LinearDraft(answer=label)) for label in (1, 2))
        self.settings = Settings(home=home / "pupila", database_url=url)

    @contextmanager
    def database(self) -> Iterator[Database]:
        database = Database.of(self.settings, create=True)
        try:
            database.prepare()
            yield database
        finally:
            database.close()

    def promote(self, version: Version) -> int:
        with self.database() as database:
            decision = promote(database, "clf", version.version, answering=self.two.version, **WHO)
        return decision.id

    def roll_out(self, version: Version, share: float, shadow: float = 0.0) -> None:
        with self.database() as database:
            begun = start(
                database,
                "clf",
                version.version,
                answering=self.two.version,
                shadow=shadow,
                rule={},
                **WHO,
            )
            if share:
                move(database, begun, "canary", share, **WHO)

    def end(self) -> None:
        with self.database() as database:
            finish(database, running(database, "clf"), "abort", **WHO)

    def followed(self, workers: int = 2) -> bool:
        """Whether all workers act on the newest decision."""
        with self.database() as database:
            newest = history(database, limit=1)[0].id
            found = alive(database)
        return len(found) >= workers and all(worker.decision >= newest for worker in found)


class Asking:
    """Threads that ask with new ids; ``answers``: how often each (status, label, version) came."""

    def __init__(self, server: Server, threads: int = 4) -> None:
        self.answers: Counter[tuple[int, Any, str | None]] = Counter()
        self.lost = 0
        self._url = server.url
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._ask, args=(number,)) for number in range(threads)
        ]

    def _ask(self, name: int) -> None:
        number = 0
        with httpx2.Client(
            base_url=self._url, timeout=PATIENCE_SECONDS, verify=NO_TLS, trust_env=False
        ) as client:
            while not self._done.is_set():
                number += 1
                try:
                    answer = client.post(
                        "/predict/", json=BODY | {"request_id": f"{name}-{number}"}
                    )
                except httpx2.TransportError:
                    self.lost += 1
                    continue
                key = (
                    answer.status_code,
                    answer.json().get("prediction"),
                    answer.headers.get("x-model-version"),
                )
                with self._lock:
                    self.answers[key] += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def more(self, answers: int = 100) -> None:
        wanted = self.answers.total() + answers
        until(lambda: self.answers.total() >= wanted, "more answers")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    made = House(tmp_path_factory.mktemp("rollouts"))
    # Every test begins and ends with the second one as champion.
    made.promote(made.one)
    made.promote(made.two)
    return made


@pytest.fixture(scope="module")
def server(house: House) -> Iterator[Server]:
    with serve(house.home, workers=2) as running_server:
        until(lambda: running_server.get("/readyz").status_code == 200, "ready")
        yield running_server


def test_promotions_under_load(
    house: House, server: Server, measure: Callable[[str], AbstractContextManager[None]]
) -> None:
    """A short form of ``bench.swaps``."""
    with Asking(server) as asking:
        for number in range(6):
            house.promote((house.one, house.two)[number % 2])
            with measure("a promotion in force"):
                until(house.followed, "both workers follow")
            asking.more(20)
    right = {(200, 1, house.one.tag), (200, 2, house.two.tag)}
    assert set(asking.answers) == right
    assert not asking.lost


def test_a_canary_of_challengers_that_fail(house: House, server: Server) -> None:
    """A short form of ``bench.challengers``."""
    for fault in (raising, not_a_number):
        bad = house.store.save(Challenger(answer=3, fault=fault))
        house.roll_out(bad, share=0.5, shadow=0.5)
        with Asking(server) as asking:
            until(house.followed, "both workers follow")
            asking.more(200)
        assert set(asking.answers) == {(200, 2, house.two.tag)}
        house.end()


def test_a_challenger_that_does_not_load(house: House, server: Server) -> None:
    spoiled = house.store.save(LinearDraft(answer=3))
    (spoiled.path / "model.onnx").write_bytes(b"spoiled")
    house.roll_out(spoiled, share=0.5)
    with Asking(server) as asking:
        until(house.followed, "both workers follow")
        asking.more()
    assert set(asking.answers) == {(200, 2, house.two.tag)}
    house.end()


def test_a_canary_and_the_list_of_models(house: House, server: Server) -> None:
    until(house.followed, "both workers follow")
    house.roll_out(house.one, share=0.5, shadow=1.0)
    until(house.followed, "both workers follow")
    with Asking(server) as asking:
        asking.more(200)
    by = {version: count for (_, _, version), count in asking.answers.items()}
    assert set(asking.answers) == {(200, 1, house.one.tag), (200, 2, house.two.tag)}
    assert by[house.one.tag] / asking.answers.total() == pytest.approx(0.5, abs=0.2)
    [model] = server.get("/models").json()["models"]
    assert (model["champion"], model["challenger"]) == (house.two.tag, house.one.tag)
    assert model["rollout"]["stage"] == "canary"
    assert (model["rollout"]["share"], model["rollout"]["paused"]) == (0.5, False)
    assert 'pupila_rollout_share{model="clf"} 0.5' in server.get("/metrics").text
    asked = server.post("/predict/", json=BODY | {"model": "clf:challenger"})
    assert asked.headers["x-model-version"] == house.one.tag
    house.end()
    until(house.followed, "both workers follow")
    asked = server.post("/predict/", json=BODY | {"model": "clf:challenger"})
    assert (asked.status_code, asked.json()) == (400, {"detail": "Invalid model name"})


def test_a_rollout_over_http(house: House, server: Server) -> None:
    def ask(what: str, **fields: Any) -> tuple[int, Any]:
        answer = server.post(f"/rollouts/{what}", json={"model": "clf", "because": "x"} | fields)
        return answer.status_code, answer.json()

    def state(answer: tuple[int, Any]) -> tuple[int, str, bool, bool]:
        status, body = answer
        return status, body["rollout"]["stage"], body["rollout"]["paused"], body["changed"]

    until(house.followed, "both workers follow")
    assert state(ask("start", challenger=house.one.tag)) == (200, "shadow", False, True)
    assert state(ask("start", challenger=house.one.version)) == (200, "shadow", False, False)
    assert state(ask("pause")) == (200, "shadow", True, True)
    assert state(ask("pause")) == (200, "shadow", True, False)
    assert state(ask("resume")) == (200, "shadow", False, True)
    assert state(ask("resume")) == (200, "shadow", False, False)
    assert state(ask("promote")) == (200, "promoted", False, True)
    assert state(ask("promote")) == (200, "promoted", False, False)
    until(house.followed, "both workers follow")
    assert server.post("/predict/", json=BODY).headers["x-model-version"] == house.one.tag
    assert state(ask("start", challenger=house.two.tag)) == (200, "shadow", False, True)
    assert state(ask("abort")) == (200, "aborted", False, True)
    assert state(ask("abort")) == (200, "aborted", False, False)
    [newest, *_] = server.get("/rollouts/?model=clf").json()["rollouts"]
    assert (newest["challenger"], newest["stage"]) == (house.two.tag, "aborted")
    decisions = server.get("/rollouts/history?model=clf").json()["decisions"]
    actions = [one["action"] for one in decisions[:6]]
    assert actions == ["abort", "start", "gain", "resume", "pause", "start"]
    assert decisions[0]["actor"] == "loopback"
    house.promote(house.two)


@pytest.mark.parametrize(
    ("what", "content", "status", "detail"),
    [
        ("pause", b"{", 400, "Body is not valid JSON."),
        ("pause", b"[]", 400, "The body: "),
        ("start", b"[" * 60_000, 400, "Body is not valid JSON."),
        (
            "start",
            b'{"model": "clf", "because": "x", "challenger": "a", "rule": {"alpha": [0.05]}}',
            400,
            "rule: its values should be numbers, texts, true or false.",
        ),
        ("pause", b'{"model": "clf"}', 400, "because: field required."),
        (
            "pause",
            b'{"model": "clf", "because": "x"}',
            409,
            "No rollout of model 'clf' is going on",
        ),
        (
            "start",
            b'{"model": "clf", "because": "x", "challenger": "no"}',
            400,
            "Invalid model name",
        ),
        ("start", b'{"model": "no", "because": "x", "challenger": "a"}', 400, "Invalid model name"),
        ("start", b'{"because": "x"}', 400, "model: field required."),
        (
            "abort",
            b'{"model": "%s", "because": "x"}' % (b"n" * 129),
            400,
            "A value cannot be stored: a string has 129 characters; the limit is 128.",
        ),
        ("abort", b'{"model": "no", "because": "x"}', 409, "No rollout of model 'no' is going on"),
    ],
)
def test_what_cannot_be_done(
    server: Server, what: str, content: bytes, status: int, detail: str
) -> None:
    answer = server.post(f"/rollouts/{what}", content=content)
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(detail)


def test_a_version_that_a_worker_cannot_load(house: House, server: Server) -> None:
    spoiled = house.store.save(LinearDraft(answer=3))
    (spoiled.path / "model.onnx").write_bytes(b"spoiled")

    def refused() -> bool:
        """Nobody knows until somebody tries."""
        fields = {"model": "clf", "challenger": spoiled.tag, "because": "x"}
        answer = server.post("/rollouts/start", json=fields)
        if answer.status_code == 200:
            house.end()
        return answer.status_code == 409 and "do not have" in answer.json()["detail"]

    until(refused, "it is refused")


def test_killed_in_the_middle_of_a_promotion(tmp_path: Path) -> None:
    """It comes back on the version that was decided, also without its database."""
    house = House(tmp_path)
    with serve(house.home, workers=1) as server:
        until(lambda: server.get("/readyz").status_code == 200, "ready")
        for number in range(3):
            _kill_while_promoting(house, server, (house.one, house.two)[number % 2])
    (house.home / "pupila" / "records.db").unlink()
    (house.home / "pupila" / "records.db").mkdir()
    with serve(house.home, workers=1) as server:
        until(lambda: server.get("/readyz").status_code == 200, "ready")
        assert _answers(server) == house.one.tag, "and not the newest"


def test_the_database_is_away_during_a_rollout(tmp_path: Path) -> None:
    """No prediction fails, the sides stay, and afterwards the next decision is followed."""
    with postgres_server() as postgres:
        url = postgres.database()
        house = House(tmp_path, url)
        with serve(house.home, workers=1, database_url=url) as server:
            until(lambda: server.get("/readyz").status_code == 200, "ready")
            house.roll_out(house.one, share=0.5, shadow=0.5)
            until(lambda: house.followed(1), "the worker follows")
            with Asking(server) as asking:
                asking.more(50)
                postgres.stop()
                asking.more(300)
                postgres.start()
                house.end()
                until(lambda: house.followed(1), "the worker follows")
            assert set(asking.answers) == {(200, 1, house.one.tag), (200, 2, house.two.tag)}
            assert not asking.lost
            assert _answers(server) == house.two.tag


def _kill_while_promoting(house: House, server: Server, chosen: Version) -> None:
    house.promote(chosen)
    [worker] = server.workers()
    os.kill(worker, signal.SIGKILL)
    until(lambda: server.workers() not in ([], [worker]), "another worker")
    until(lambda: _answers(server), "an answer")
    assert [_answers(server) for _ in range(5)] == [chosen.tag] * 5


def _answers(server: Server) -> str | None:
    try:
        return server.post("/predict/", json=BODY).headers.get("x-model-version")
    except httpx2.TransportError:
        return None
