import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from errors import ArtifactError, ModelError
from models.archive import export_version, import_version
from models.backup import backup_store, copy_versions
from models.extractors import Extractors
from models.store import Store
from models.version import Version
from tests.extractors import photos, saved_extractor, saved_photos_version, tiny_graph


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def answers(version: Version) -> list[int]:
    pixels, _ = photos(20, seed=9)
    spec = version.manifest.image_spec
    indices: list[int] = version.artifact.open().run(spec.features(pixels)).indices.tolist()
    return indices


def test_a_version_is_imported_with_its_extractor(store: Store, tmp_path: Path) -> None:
    version = saved_photos_version(store)
    path = export_version(store, version, tmp_path / "colors.bentomodel")
    other = Store(tmp_path / "other" / "models")
    imported = import_version(other, path)
    assert imported.tag == version.tag
    assert answers(imported) == answers(version)
    extractor = version.artifact.extractor()
    assert extractor is not None
    assert [one.tag for one in Extractors(other).all()] == [extractor.tag]


def test_an_extractor_that_is_there_already_stays(store: Store, tmp_path: Path) -> None:
    version = saved_photos_version(store)
    path = export_version(store, version, tmp_path)
    other = Store(tmp_path / "other" / "models")
    saved_extractor(other)
    import_version(other, path)
    assert len(Extractors(other).all()) == 1


DAMAGES = pytest.mark.parametrize(
    "damage", [shutil.rmtree, lambda path: (path / "extractor.onnx").write_bytes(b"something else")]
)


@DAMAGES
def test_an_import_gives_a_version_the_extractor_that_it_lacks(
    store: Store, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    version = saved_photos_version(store)
    wanted = answers(version)
    path = export_version(store, version, tmp_path)
    (extractor,) = Extractors(store).all()
    damage(extractor.path)
    assert import_version(store, path) == version
    assert answers(version) == wanted
    with pytest.raises(ModelError, match="is already in the store"):
        import_version(store, path)


def test_nothing_is_left_of_a_file_with_another_extractor(store: Store, tmp_path: Path) -> None:
    version = saved_photos_version(store)
    path = export_version(store, version, tmp_path)
    other = saved_photos_version(store, saved_extractor(store, graph=tiny_graph(seed=3)), "others")
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    # The other version's extractor in the place of this one's.
    import lzma
    import tarfile

    for source, target in ((path, wrong / "a"), (export_version(store, other, wrong), wrong / "b")):
        with lzma.open(source) as file, tarfile.open(fileobj=file) as archive:
            target.mkdir()
            # Not all at once: Python before 3.11.4 has no filters for that.
            for info in archive:
                content = archive.extractfile(info)
                if content is not None:
                    (target / info.name).write_bytes(content.read())
    shutil.copy(wrong / "b" / "extractor.bentomodel", wrong / "a" / "extractor.bentomodel")
    with tarfile.open(wrong / "c.bentomodel", "w:xz") as archive:
        for member in sorted((wrong / "a").iterdir()):
            archive.add(member, member.name)
    empty = Store(tmp_path / "empty" / "models")
    with pytest.raises(ArtifactError, match=r"an extractor that .* does not use"):
        import_version(empty, wrong / "c.bentomodel")
    assert empty.versions() == []
    assert Extractors(empty).all() == []


def test_a_backup_has_the_extractor(store: Store, tmp_path: Path) -> None:
    version = saved_photos_version(store)
    backup = backup_store(tmp_path / "backup", create=True)
    assert copy_versions(store, backup).versions == (version.tag,)
    restored = Store(tmp_path / "restored" / "models")
    copy_versions(backup_store(tmp_path / "backup"), restored)
    assert answers(restored.get("colors")) == answers(version)


@DAMAGES
def test_a_restore_brings_back_the_extractor_of_a_version_that_is_there(
    store: Store, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    version = saved_photos_version(store)
    wanted = answers(version)
    backup = backup_store(tmp_path / "backup", create=True)
    copy_versions(store, backup)
    damage(Extractors(store).get("tiny").path)
    assert copy_versions(backup, store).versions == (version.tag,)
    assert answers(version) == wanted
    assert copy_versions(backup, store).present == (version.tag,)


def test_an_extractor_that_neither_store_has_is_told(store: Store, tmp_path: Path) -> None:
    version = saved_photos_version(store)
    backup = backup_store(tmp_path / "backup", create=True)
    copy_versions(store, backup)
    for one in (store, backup):
        shutil.rmtree(Extractors(one).get("tiny").path)
    (fault,) = copy_versions(backup, store).faults
    assert fault.startswith(f"{version.tag}: ")
    assert "needs the extractor tiny:" in fault
