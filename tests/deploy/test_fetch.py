"""The script that brings versions from an object storage, with a folder in its place."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import run
from tests.deploy.manifests import KUBERNETES

FETCH = KUBERNETES / "cloud" / "fetch.sh"


@pytest.fixture(autouse=True)
def _rclone() -> None:
    if shutil.which("rclone") is None:
        if os.environ.get("REQUIRE_RCLONE") == "1":
            pytest.fail("there is no rclone")
        pytest.skip("there is no rclone")


def fetch(store: Path, home: Path) -> str:
    """Fetches once; returns what it complained of."""
    done = subprocess.run(
        ["sh", FETCH, "once"],
        env=os.environ
        | {
            "HOME": str(home),
            "RCLONE_CONFIG_STORE_TYPE": "local",
            "STORE": f"store:{store}",
            "VERSIONS": str(home / "models"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def versions(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in (home / "models").glob("*/*/model.yaml")}


def test_what_it_brings_is_served(home: Path, tmp_path: Path) -> None:
    fetch(home / "models", tmp_path)
    assert versions(tmp_path) == versions(home)
    assert "clf:" in run("models", "list", home=tmp_path)


def test_a_new_version_comes_and_nothing_else_changes(home: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(home / "models" / "clf", store / "clf")
    fetch(store, tmp_path)
    (manifest,) = tmp_path.glob("models/clf/*/manifest.json")
    manifest.write_text("mine")
    shutil.copytree(home / "models" / "shapes", store / "shapes")
    fetch(store, tmp_path)
    assert versions(tmp_path) == {path for path in versions(home) if "/old/" not in path}
    assert manifest.read_text() == "mine"


def test_a_version_that_is_not_whole_is_none(home: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(home / "models" / "clf", store / "clf")
    for announced in store.rglob("model.yaml"):
        announced.unlink()
    fetch(store, tmp_path)
    assert list(tmp_path.glob("models/clf/*/model.onnx"))
    assert "clf:" not in run("models", "list", home=tmp_path)


def test_a_storage_that_is_away_is_no_reason_not_to_serve(tmp_path: Path) -> None:
    assert "No versions came from store:" in fetch(tmp_path / "nowhere", tmp_path)
