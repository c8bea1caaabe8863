"""The training images of versions, beside the store."""

import json
import logging
import os
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from errors import ModelError
from images.spec import ImageSpec
from models.image_list import Side
from models.pixels import StoredPixels
from models.spill import content_of
from models.store import Store
from models.training_images import TrainingImages, TrainingSet
from settings import settings
from tests.drafts import LinearDraft
from tests.drawing import flat

SPEC = ImageSpec.parse("gray-16x16")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def images(*values: int, source: str = "", file: bytes | None = None) -> TrainingSet:
    """Images of one tone each."""
    count = len(values)
    sides: tuple[Side, ...] = ("train", "holdout", "aside")
    return TrainingSet(
        spec=SPEC,
        pixels=np.array(values, np.uint8)[:, None].repeat(SPEC.n_features, axis=1),
        labels=tuple(range(count)),
        sides=sides[:count],
        files=(file,) * count,
        sources=(source,) * count,
    )


def blobs(store: Store) -> list[Path]:
    assert store.given is not None
    root = store.given.parent / "pupila-training-images" / "images"
    return sorted(path for path in root.rglob("*") if path.is_file())


def read(store: Store, version: str = "a") -> TrainingSet:
    found = store.training_images.read("clf", version)
    assert found is not None
    return found


def test_a_version_has_its_images_from_the_moment_it_is_visible(store: Store) -> None:
    version = store.save(LinearDraft(), images(1, 2, 3))
    found = read(store, version.version)
    assert found.pixels[:, 0].tolist() == [1, 2, 3]
    assert found.labels == (0, 1, 2)
    assert found.sides == ("train", "holdout", "aside")
    assert found.spec == SPEC
    assert found.missing == 0


def test_a_version_that_was_saved_without_has_none(store: Store) -> None:
    assert store.training_images.read("clf", store.save(LinearDraft()).version) is None


def test_groups_are_kept_and_a_release_without_them_reads_the_list(store: Store) -> None:
    grouped = replace(images(1, 2, 3), groups=("film", "", "film"))
    for version, kept in (("a", grouped), ("b", images(1, 2, 3))):
        store.training_images.keep("clf", version, kept)
        assert read(store, version).groups == (kept.groups or ("",) * 3)
    assert store.given is not None
    lists = store.given.parent / "pupila-training-images" / "versions" / "clf"
    found = {path.stem: json.loads(path.read_bytes()) for path in lists.glob("*.json")}
    for one in found.values():
        assert [len(fields) for fields in one["images"]] == [5, 5, 5]
    assert found["a"]["groups"] == ["film", "", "film"]
    assert "groups" not in found["b"]


def test_a_list_with_other_numbers_of_groups_and_images_is_none(store: Store) -> None:
    store.training_images.keep("clf", "a", replace(images(1, 2), groups=("film", "film")))
    assert store.given is not None
    path = store.given.parent / "pupila-training-images" / "versions" / "clf" / "a.json"
    fields = json.loads(path.read_bytes())
    path.write_text(json.dumps(fields | {"groups": ["film"]}))
    with pytest.raises(ModelError, match="cannot be read"):
        read(store)


def test_an_image_is_kept_once_for_all_versions(store: Store) -> None:
    store.save(LinearDraft(), images(1, 2))
    store.save(LinearDraft(), images(2, 3))
    assert len(blobs(store)) == 3


def test_the_smaller_of_file_and_pixels_is_kept(store: Store) -> None:
    file = flat(7, side=16)
    assert len(file) < SPEC.n_features
    store.training_images.keep("clf", "a", images(7, file=file))
    assert [path.read_bytes() for path in blobs(store)] == [file]
    assert read(store).pixels[:].tolist() == [[7] * SPEC.n_features]
    assert read(store).files == (file,)
    store.training_images.keep("clf", "b", images(9, file=b"x" * SPEC.n_features))
    assert bytes([9] * SPEC.n_features) in [path.read_bytes() for path in blobs(store)]


def test_many_images_are_read_to_disk_and_kept_from_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = flat(7, side=16)
    store.training_images.keep("clf", "a", images(7, file=file))
    store.training_images.keep("clf", "b", images(1, 2, 3))
    monkeypatch.setattr("models.pixels.IN_MEMORY", 2 * SPEC.n_features)
    one, three = read(store, "a"), read(store, "b")
    assert isinstance(one.pixels, np.ndarray)
    assert isinstance(three.pixels, StoredPixels)
    one_of_many = store.training_images.read("clf", "a", more=2)
    assert one_of_many is not None
    assert [content_of(content) for content in one_of_many.files or () if content] == [file]
    before = [path.read_bytes() for path in blobs(store)]
    store.training_images.drop("clf", "a")
    store.training_images.drop("clf", "b")
    store.training_images.keep("clf", "a", one_of_many)
    store.training_images.keep("clf", "b", three)
    assert [path.read_bytes() for path in blobs(store)] == before
    assert read(store, "b").pixels[:].tolist() == images(1, 2, 3).pixels[:].tolist()


def test_a_deleted_version_takes_the_images_that_no_other_needs(store: Store) -> None:
    first = store.save(LinearDraft(), images(1, 2))
    second = store.save(LinearDraft(), images(2, 3))
    store.delete(first)
    assert len(blobs(store)) == 2
    assert read(store, second.version).missing == 0
    store.delete(second)
    assert blobs(store) == []


def test_a_damaged_image_is_missing_and_the_others_are_not(store: Store) -> None:
    store.training_images.keep("clf", "a", images(1, 2))
    blobs(store)[0].write_bytes(b"x")
    found = read(store)
    assert len(found) == 1
    assert found.missing == 1


def test_beyond_the_limit_none_is_kept_and_the_version_is_saved(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PUPILA_TRAINING_IMAGES_BYTES", str(2 * SPEC.n_features))
    settings.cache_clear()
    caplog.set_level(logging.WARNING, "pupila.store")
    try:
        first = store.save(LinearDraft(), images(1, 2))
        second = store.save(LinearDraft(), images(1, 3))
    finally:
        settings.cache_clear()
    assert store.versions() == [first, second]
    assert store.training_images.read("clf", second.version) is None
    assert "PUPILA_TRAINING_IMAGES_BYTES" in caplog.text
    assert len(blobs(store)) == 2


def test_a_limit_of_0_keeps_none_and_says_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PUPILA_TRAINING_IMAGES_BYTES", "0")
    settings.cache_clear()
    try:
        store.save(LinearDraft(), images(1))
    finally:
        settings.cache_clear()
    assert blobs(store) == []
    assert caplog.text == ""


def test_what_was_made_of_a_deleted_record_is_deleted_everywhere(store: Store) -> None:
    source = sha256(b"an image").hexdigest()
    store.training_images.keep("clf", "a", images(1, 2, source=source))
    store.training_images.keep("clf", "b", images(2, source=source))
    store.training_images.keep("clf", "c", images(3))
    forgotten = store.training_images.forget([source])
    assert (forgotten.images, forgotten.versions) == (2, ("clf:a", "clf:b"))
    assert len(read(store, "a")) == len(read(store, "b")) == 0
    assert len(blobs(store)) == len(read(store, "c")) == 1
    assert store.training_images.forget([source]).images == 0


def test_the_embeddings_of_a_deleted_record_go_though_it_was_not_trained_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUPILA_HOME", str(tmp_path))
    settings.cache_clear()
    try:
        embeddings = tmp_path / "embeddings"
        embeddings.mkdir()
        assert store.training_images.forget([""]).images == 0
        assert embeddings.exists()
        assert store.training_images.forget([sha256(b"an image").hexdigest()]).images == 0
        assert not embeddings.exists()
    finally:
        settings.cache_clear()


def test_images_of_training_folders_are_not_those_of_a_record(store: Store) -> None:
    store.training_images.keep("clf", "a", images(1))
    assert store.training_images.forget([""]).images == 0
    assert len(read(store)) == 1


def test_what_a_crash_left_behind_goes_with_the_next_version(store: Store) -> None:
    store.training_images.keep("clf", "crashed", images(1))
    stale = blobs(store)[0].parent / ".half"
    stale.write_bytes(b"half")
    listed = next(iter((blobs(store)[0].parents[2] / "versions").rglob("crashed.json")))
    long_ago = time.time() - 48 * 3600
    os.utime(listed, (long_ago, long_ago))
    store.training_images.keep("clf", "next", images(2))
    assert not listed.exists()
    assert [path.read_bytes()[0] for path in blobs(store)] == [2]


def test_a_version_that_is_being_saved_keeps_its_images(store: Store) -> None:
    store.training_images.keep("clf", "saving", images(1))
    store.training_images.keep("clf", "next", images(2))
    assert len(read(store, "saving")) == 1


def test_a_list_that_is_none_is_named(tmp_path: Path) -> None:
    kept = TrainingImages(tmp_path / "models")
    kept.keep("clf", "a", images(1))
    path = next(tmp_path.rglob("a.json"))
    path.write_text("[]")
    with pytest.raises(ModelError, match=r"a\.json cannot be read as a list of training images"):
        kept.read("clf", "a")


def test_only_the_owner_may_look(store: Store) -> None:
    store.training_images.keep("clf", "a", images(1))
    root = blobs(store)[0].parents[2]
    assert root.stat().st_mode & 0o077 == 0
