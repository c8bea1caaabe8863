"""Versions that must not serve do not stop a server, and it finds the good ones beside them."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from models.signature import PrivateKey
from models.signing import sign
from models.store import Store
from models.version import Version
from tests.bad_graphs import endless_loop, large_memory, long_work
from tests.drafts import LinearDraft, replace_graph
from tests.servers import Server, serve
from tests.waiting import until

BODY = Path("tests/data/predict_digit8.json").read_bytes()
KEY = PrivateKey.generate()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It is ended while a version is being loaded that would take an hour."""
    home = tmp_path_factory.mktemp("home")
    Store(home / "models").save(LinearDraft(answer=8))
    with serve(home) as server:
        yield server


def answers(server: Server, version: Version) -> bool:
    response = server.post("/predict/", content=BODY)
    assert response.status_code == 200, response.text
    assert response.json()["prediction"] == 8
    return response.headers["x-model-version"] == version.tag


def add(store: Store, letter: str, alter: Callable[[Path], None]) -> Version:
    """A copy of the newest version that was altered before the server can see it."""
    good = store.champion("clf")
    hidden, path = (good.path.with_name(name) for name in (f".{letter * 16}", letter * 16))
    shutil.copytree(good.path, hidden)
    manifest = json.loads((hidden / "manifest.json").read_text())
    manifest["created_at"] = datetime.now(UTC).isoformat()
    (hidden / "manifest.json").write_text(json.dumps(manifest))
    alter(hidden)
    hidden.rename(path)
    return Version("clf", path.name, path)


def reorder(path: Path) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["labels"] = [*manifest["labels"][1:], manifest["labels"][0]]
    (path / "manifest.json").write_text(json.dumps(manifest))


def pipe(name: str) -> Callable[[Path], None]:
    def alter(path: Path) -> None:
        (path / name).unlink()
        os.mkfifo(path / name)

    return alter


ALTERED = {
    "labels": reorder,
    "pipe": pipe("model.onnx"),
    "golden": pipe("golden.npz"),
    "info": pipe("model.yaml"),
    "loop": lambda path: replace_graph(path, endless_loop().SerializeToString()),
    "memory": lambda path: replace_graph(path, large_memory()),
    "work": lambda path: replace_graph(path, long_work()),
}


def test_bad_versions_are_not_served_and_good_ones_are_found(running: Server) -> None:
    store = Store(running.home / "models")
    until(lambda: answers(running, store.champion("clf")), "the first version")
    for letter, alter in zip("abcdefg", ALTERED.values(), strict=True):
        bad = add(store, letter, alter)
        good = store.save(LinearDraft(answer=8))
        until(partial(answers, running, good), "the good one beside a bad one")
        asked = json.loads(BODY) | {"model": bad.tag}
        assert running.post("/predict/", json=asked).status_code in (400, 500, 503)
    log = running.log.read_text()
    assert "its content has another SHA-256" in log
    assert "model.onnx of bbbbbbbbbbbbbbbb cannot be read: it is not a regular file" in log
    assert "the operator Loop, which is not allowed" in log


def test_a_server_with_keys_serves_what_they_signed(tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    first = store.save(LinearDraft(answer=8))
    sign(store, first, KEY)
    public = KEY.write(tmp_path / "key")
    with serve(tmp_path, trusted_keys=public) as server:
        until(lambda: answers(server, first), "the signed version")
        newer = store.save(LinearDraft(answer=8))
        until(lambda: f"{newer.tag} is not served" in server.log.read_text(), "the refusal")
        assert answers(server, first)
        sign(store, newer, KEY)
        until(lambda: answers(server, newer), "the newer version, once it is signed")
