import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from errors import ModelError
from models.artifact import GRAPH
from models.backup import backup_store, copy_versions
from models.backup_commands import backup
from models.signature import SIGNATURE, PrivateKey
from models.signing import sign
from models.store import Store
from models.training_images import TrainingSet
from models.version import Version
from tests.drafts import DIGITS, LinearDraft


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home" / "models")


@pytest.fixture
def kept(tmp_path: Path) -> Store:
    return backup_store(tmp_path / "kept", create=True)


def test_every_version_comes_back_as_it_was(store: Store, kept: Store, tmp_path: Path) -> None:
    saved = [store.save(LinearDraft(name, seed=seed)) for seed, name in enumerate("abb")]
    assert copy_versions(store, kept).versions == tuple(one.tag for one in saved)
    shutil.rmtree(tmp_path / "home")
    found = Store(tmp_path / "home" / "models")
    done = copy_versions(backup_store(tmp_path / "kept"), found)
    assert (done.versions, done.present, done.faults) == (tuple(one.tag for one in saved), (), ())
    assert [one.manifest for one in found.versions()] == [one.manifest for one in saved]
    assert found.champion("b").tag == saved[2].tag
    assert (found.get("b").path.parent / "latest").read_text() == saved[2].version


def test_only_what_is_missing_is_copied(store: Store, kept: Store) -> None:
    first = store.save(LinearDraft())
    copy_versions(store, kept)
    second = store.save(LinearDraft(seed=1))
    store.delete(first)
    done = copy_versions(store, kept)
    assert (done.versions, done.present) == ((second.tag,), ())
    assert {one.tag for one in kept.versions()} == {first.tag, second.tag}
    assert copy_versions(store, kept).present == (second.tag,)


def test_a_model_can_be_chosen(store: Store, kept: Store) -> None:
    store.save(LinearDraft("a"))
    store.save(LinearDraft("b"))
    assert {tag[0] for tag in copy_versions(store, kept, ["b"]).versions} == {"b"}


def test_training_images_go_along(store: Store, kept: Store) -> None:
    pixels = np.arange(3 * 64, dtype=np.uint8).reshape(3, 64)
    images = TrainingSet(DIGITS, pixels, (0, 1, 2), ("train", "train", "holdout"))
    version = store.save(LinearDraft(), images)
    assert copy_versions(store, kept).images == (version.tag,)
    found = kept.training_images.read(version.name, version.version)
    assert found is not None
    assert np.array_equal(found.pixels[:], pixels)
    assert (found.labels, found.sides) == (images.labels, images.sides)


def beside(version: Version) -> Path:
    """Where the training images are."""
    return version.path.parents[2] / "pupila-training-images"


def trained(store: Store, name: str) -> Version:
    pixels = np.arange(3 * 64, dtype=np.uint8).reshape(3, 64)
    images = TrainingSet(DIGITS, pixels, (0, 1, 2), ("train", "train", "holdout"))
    return store.save(LinearDraft(name), images)


def test_training_images_whose_list_cannot_be_read_are_told_each_time(
    store: Store, kept: Store
) -> None:
    broken, whole = trained(store, "a"), trained(store, "b")
    (listed,) = beside(broken).glob(f"versions/a/{broken.version}.json")
    listed.write_text("no list")
    for versions in ((broken.tag, whole.tag), ()):
        done = copy_versions(store, kept)
        assert (done.versions, done.faults) == (versions, ())
        assert done.images == ((whole.tag,) if versions else ())
        (lost,) = done.lost
        assert lost.startswith(f"{broken.tag}: ")
        assert "cannot be read as a list of training images" in lost


def test_a_missing_training_image_is_told_and_the_others_are_copied(
    store: Store, kept: Store
) -> None:
    version = trained(store, "a")
    next(beside(version).glob("images/*/*")).unlink()
    (lost,) = copy_versions(store, kept).lost
    assert lost == f"{version.tag}: 1 of 3 are damaged or missing; the others were copied"
    found = kept.training_images.read("a", version.version)
    assert found is not None
    assert len(found) == 2


def test_training_images_that_a_backup_lacks_are_copied_later(store: Store, kept: Store) -> None:
    version = trained(store, "a")
    copy_versions(store, kept)
    kept.training_images.drop("a", version.version)
    done = copy_versions(store, kept)
    assert (done.versions, done.present, done.images) == ((), (version.tag,), (version.tag,))


def test_the_command_tells_of_lost_training_images_and_fails(store: Store, tmp_path: Path) -> None:
    version = trained(Store(), "backup-lost")
    (listed,) = beside(version).glob(f"versions/backup-lost/{version.version}.json")
    listed.write_text("no list")
    done = CliRunner().invoke(backup, [str(tmp_path / "kept"), "--name", "backup-lost"])
    assert done.exit_code == 1
    assert f"Training images not copied: {version.tag}: " in done.stderr
    assert "Copied 1 version to" in done.stdout
    assert "The training images of 1 version could not all be copied." in done.stderr
    # Other tests have this store, too.
    listed.unlink()
    Store().delete(version)


def test_a_damaged_version_is_told_and_the_rest_is_copied(store: Store, kept: Store) -> None:
    damaged, whole = store.save(LinearDraft("a")), store.save(LinearDraft("b"))
    (damaged.path / GRAPH).write_bytes(b"other")
    done = copy_versions(store, kept)
    assert done.versions == (whole.tag,)
    (fault,) = done.faults
    assert fault.startswith(f"{damaged.tag}: ")
    assert [one.tag for one in kept.versions()] == [whole.tag]


def test_a_version_that_was_signed_since_is_signed_in_the_backup(store: Store, kept: Store) -> None:
    version = store.save(LinearDraft())
    copy_versions(store, kept)
    sign(store, version, PrivateKey.generate())
    assert copy_versions(store, kept).versions == (version.tag,)
    copied = kept.get(version.tag).path / SIGNATURE
    assert copied.read_bytes() == (version.path / SIGNATURE).read_bytes()
    assert copy_versions(store, kept).present == (version.tag,)


def test_a_folder_without_a_backup_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a backup: write one with python -m models back"):
        backup_store(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match=r"file/kept cannot be used: Not a directory\."):
        backup_store(tmp_path / "file" / "kept", create=True)
