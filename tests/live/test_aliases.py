"""Commands beside a running server: who answers, while versions come and are promoted."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx2
import pytest

from models.offline.succession import save
from models.store import Store
from models.version import Version
from records.current import champions
from settings import settings
from tests.drafts import LinearDraft, holdout
from tests.forking import command
from tests.servers import NO_TLS, Server, environment, serve
from tests.waiting import PATIENCE_SECONDS, until

FIELDS = json.loads(Path("tests/data/predict_digit8.json").read_bytes())
GOOD = LinearDraft(answer=8, reference=holdout([8] * 30))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    Store(home / "models").save(GOOD)
    with serve(home, workers=2) as running:
        yield running


@pytest.fixture
def store(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("PUPILA_HOME", str(server.home / "pupila"))
    settings.cache_clear()
    yield Store(server.home / "models", aliases=champions)
    settings.cache_clear()


def answers(server: Server, model: str, tag: str) -> bool:
    """Whether this version alone answers many requests, which either worker may be asked for."""
    body = json.dumps(FIELDS | {"model": model}).encode()
    given = (server.post("/predict/", content=body) for _ in range(40))
    return {answer.headers.get("x-model-version", "") for answer in given} == {tag}


def run(server: Server, *arguments: str) -> str:
    done = command("models", *arguments, env=environment(server.home))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_version_that_is_certainly_worse_never_answers(server: Server, store: Store) -> None:
    names = [f"model{number}" for number in range(5)]
    good = {name: save(store, replace(GOOD, name=name)).version.tag for name in names}
    for name in names:
        until(partial(answers, server, name, good[name]), name)
    seen: set[str] = set()
    done = threading.Event()

    def keep_asking() -> None:
        with httpx2.Client(base_url=server.url, timeout=PATIENCE_SECONDS, verify=NO_TLS) as client:
            while not done.is_set():
                for name in names:
                    body = json.dumps(FIELDS | {"model": name}).encode()
                    answer = client.post("/predict/", content=body)
                    seen.add(answer.headers.get("x-model-version", str(answer.status_code)))

    asking = [threading.Thread(target=keep_asking) for _ in range(2)]
    for thread in asking:
        thread.start()
    for name in names:
        now = datetime.now(UTC)
        worse = save(store, LinearDraft(name, answer=5, created_at=now)).version
        until(partial(listed, server, worse), "the version in the list")
    done.set()
    for thread in asking:
        thread.join()
    assert seen == set(good.values())


def listed(server: Server, version: Version) -> bool:
    """Whether both workers list it."""
    lists = (server.get("/models").json()["models"] for _ in range(20))
    return all(
        version.version in {one["version"] for one in model["versions"]}
        for models in lists
        for model in models
        if model["name"] == version.name
    )


def test_a_server_follows_promotions_and_rollbacks(server: Server, store: Store) -> None:
    first = save(store, replace(GOOD, name="moved")).version
    second = save(store, replace(GOOD, name="moved", created_at=datetime.now(UTC))).version
    until(lambda: answers(server, "moved", second.tag), "the newest version")
    run(server, "promote", first.tag, "--because", "tests")
    until(lambda: answers(server, "moved", first.tag), "the promoted version")
    run(server, "rollback", "moved")
    until(lambda: answers(server, "moved", second.tag), "the predecessor")
