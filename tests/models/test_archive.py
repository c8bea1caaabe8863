"""Versions as files, on a real BentoML store in a temporary folder."""

import json
from pathlib import Path

import pytest

from errors import ArtifactError, ModelError
from models.archive import export_version, import_version
from models.artifact import Artifact
from models.store import Store
from tests.drafts import LinearDraft, rewrite_manifest


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def test_export_and_import(store: Store, tmp_path: Path) -> None:
    version = store.save(LinearDraft())
    archive = export_version(store, version, tmp_path)
    other = Store(tmp_path / "other" / "models")
    taken = import_version(other, archive)
    assert taken.tag == version.tag
    assert taken.manifest == version.manifest


def test_a_version_is_imported_once(store: Store, tmp_path: Path) -> None:
    archive = export_version(store, store.save(LinearDraft()), tmp_path)
    with pytest.raises(ModelError, match="is already in the store"):
        import_version(store, archive)


def test_an_export_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "taken.bentomodel"
    target.write_text("mine")
    with pytest.raises(ModelError, match="exists already"):
        export_version(store, store.save(LinearDraft()), target)
    assert target.read_text() == "mine"


def test_an_archive_of_something_else(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "x.bentomodel"
    path.write_text("no archive")
    with pytest.raises(ModelError, match="is not a model archive"):
        import_version(store, path)


def test_an_archive_with_an_altered_file(store: Store, tmp_path: Path) -> None:
    version = store.save(LinearDraft())
    (version.path / "golden.npz").write_bytes(b"altered")
    archive = export_version(store, version, tmp_path)
    other = Store(tmp_path / "other" / "models")
    with pytest.raises(ArtifactError, match=r"golden\.npz of .* is not the file that was saved"):
        import_version(other, archive)
    assert other.versions() == []


def test_a_relative_path_is_from_here(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = store.save(LinearDraft())
    monkeypatch.chdir(tmp_path)
    assert export_version(store, version, Path("it.bentomodel")) == tmp_path / "it.bentomodel"
    other = Store(tmp_path / "other" / "models")
    assert import_version(other, Path("it.bentomodel")).tag == version.tag


def test_an_export_into_a_folder_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    version = store.save(LinearDraft())
    export_version(store, version, tmp_path)
    with pytest.raises(ModelError, match="exists already"):
        export_version(store, version, tmp_path)


def test_an_export_to_nowhere(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written: No such file"):
        export_version(store, store.save(LinearDraft()), tmp_path / "no" / "where")


@pytest.mark.parametrize("created_at", ["2020-01-01T00:00:00", "9999-01-01T00:00:00Z"])
def test_an_archive_from_no_possible_time(store: Store, tmp_path: Path, created_at: str) -> None:
    version = store.save(LinearDraft())
    path = version.path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"created_at": created_at}))
    archive = export_version(store, version, tmp_path)
    other = Store(tmp_path / "other" / "models")
    with pytest.raises(ArtifactError, match=r"created_at|made in the future"):
        import_version(other, archive)
    assert other.versions() == []


def test_an_archive_with_a_file_too_many(store: Store, tmp_path: Path) -> None:
    version = store.save(LinearDraft())
    (version.path / "custom_objects.pkl").write_bytes(b"x")
    archive = export_version(store, version, tmp_path)
    other = Store(tmp_path / "other" / "models")
    with pytest.raises(ArtifactError, match=r"custom_objects\.pkl, which its manifest does not"):
        import_version(other, archive)


def test_an_archive_that_answers_otherwise(store: Store, tmp_path: Path) -> None:
    version = store.save(LinearDraft())
    path = version.path / "manifest.json"
    rewrite_manifest(version.path, json.loads(path.read_text()) | {"labels": [0, 1, 2]})
    archive = export_version(store, version, tmp_path)
    other = Store(tmp_path / "other" / "models")
    with pytest.raises(ArtifactError, match="does not have the labels of its golden examples"):
        import_version(other, archive)


def test_what_a_caller_finds_wrong_is_not_imported(store: Store, tmp_path: Path) -> None:
    def refuse(artifact: Artifact) -> None:
        raise ModelError(f"no {artifact.manifest.name}")

    archive = export_version(store, store.save(LinearDraft()), tmp_path)
    other = Store(tmp_path / "other" / "models")
    with pytest.raises(ModelError, match="no clf"):
        import_version(other, archive, refuse)
    assert other.versions() == []
