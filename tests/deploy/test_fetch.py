"""The scripts that bring versions from and to an object storage, with a folder in its place."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from models.training_images import TrainingImages
from tests.conftest import run
from tests.deploy.manifests import KUBERNETES

FETCH = KUBERNETES / "cloud" / "fetch.sh"
PUBLISH = KUBERNETES / "cloud" / "publish.sh"
IMAGES = "pupila-training-images"


@pytest.fixture(autouse=True)
def _rclone() -> None:
    if shutil.which("rclone") is None:
        if os.environ.get("REQUIRE_RCLONE") == "1":
            pytest.fail("there is no rclone")
        pytest.skip("there is no rclone")


def variables(store: Path, home: Path) -> dict[str, str]:
    return os.environ | {
        "HOME": str(home),
        "RCLONE_CONFIG_STORE_TYPE": "local",
        "STORE": f"store:{store}",
        "STORE_IMAGES": f"store:{store.parent / IMAGES}",
        "VERSIONS": str(home / "models"),
    }


def images_of(home: Path) -> dict[str, str]:
    """What whoever retrains is told besides."""
    return {"IMAGES": str(home / IMAGES)}


def fetch(store: Path, home: Path, **more: str) -> str:
    """Fetches once; returns what it complained of."""
    done = subprocess.run(
        ["sh", FETCH, "once"],
        env=variables(store, home) | more,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def publish(store: Path, home: Path, what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", PUBLISH, what],
        env=variables(store, home) | images_of(home),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("trained")
    run("train", "--recipe", "logistic", home=home)
    return home


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """A home with a version and training images that a test may change."""
    for name in ("models", IMAGES):
        shutil.copytree(trained_once / name, tmp_path / "trained" / name)
    return tmp_path / "trained"


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
    # Other tests save versions of other models there.
    expected = {path for path in versions(home) if path.split("/")[1] in ("clf", "shapes")}
    assert versions(tmp_path) == expected
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


def test_what_was_published_is_fetched_whole(trained: Path, tmp_path: Path) -> None:
    store, there = tmp_path / "bucket" / "models", tmp_path / "there"
    (version,) = {path.parent.name for path in trained.glob("models/clf/*/model.yaml")}
    assert publish(store, trained, f"clf:{version}").returncode == 0
    assert [path.name for path in store.iterdir()] == ["clf"]
    assert fetch(store, there, **images_of(there)) == ""
    assert f"clf:{version}" in run("models", "list", home=there)
    # A retraining there has what it needs.
    assert TrainingImages(there / "models").read("clf", version) is not None
    # Again, it changes nothing; nor do all of the model's versions, which are this one.
    assert publish(store, trained, f"clf:{version}").returncode == 0
    assert publish(store, trained, "clf").returncode == 0


def test_only_whoever_retrains_gets_training_images(trained: Path, tmp_path: Path) -> None:
    store, there = tmp_path / "bucket" / "models", tmp_path / "there"
    assert publish(store, trained, "--images").returncode == 0
    assert (store.parent / IMAGES).exists()
    assert not store.exists()
    fetch(store, there)
    assert not (there / IMAGES).exists()


def test_a_deleted_image_is_deleted_in_the_storage_too(trained: Path, tmp_path: Path) -> None:
    store = tmp_path / "bucket" / "models"
    publish(store, trained, "--images")
    one = next(path for path in (trained / IMAGES / "images").rglob("*") if path.is_file())
    one.unlink()
    assert publish(store, trained, "--images").returncode == 0
    left = {path.name for path in (store.parent / IMAGES).rglob("*") if path.is_file()}
    assert left
    assert one.name not in left
    assert "lock" not in left


@pytest.mark.parametrize("what", ["clf:nothing", "nothing"])
def test_a_version_that_is_not_there_is_not_published(
    trained: Path, tmp_path: Path, what: str
) -> None:
    done = publish(tmp_path / "bucket" / "models", trained, what)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("There is no version ")
