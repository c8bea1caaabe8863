"""Versions as files, on a real BentoML store in a temporary folder."""

import io
import json
import lzma
import os
import tarfile
from pathlib import Path

import pytest

from errors import ArtifactError, ModelError
from models.archive import export_version, import_version
from models.artifact import Artifact
from models.signature import PrivateKey, TrustedKeys
from models.signing import sign
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
    assert version.manifest.created_at
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


def archive_of(path: Path, *members: tuple[tarfile.TarInfo, bytes], headers: bytes = b"") -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    path.write_bytes(lzma.compress(headers + buffer.getvalue()))
    return path


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


@pytest.mark.parametrize(
    "unwanted",
    [
        member("../outside", b"x"),
        member("/outside", b"x"),
        member("folder/inside", b"x"),
        member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("link", type=tarfile.LNKTYPE, linkname="model.yaml"),
        member("pipe", type=tarfile.FIFOTYPE),
        member("device", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
    ],
    ids=lambda unwanted: unwanted[0].name,
)
def test_an_archive_of_more_than_files(
    store: Store, tmp_path: Path, unwanted: tuple[tarfile.TarInfo, bytes]
) -> None:
    path = archive_of(tmp_path / "x.bentomodel", unwanted)
    with pytest.raises(ModelError, match="contains more than the files of a version"):
        import_version(store, path)


def test_an_archive_with_a_file_twice(store: Store, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "x.bentomodel", member("a", b"x"), member("a", b"x"))
    with pytest.raises(ModelError, match="contains a file twice"):
        import_version(store, path)


def test_an_archive_that_unpacks_to_more_than_the_limit(store: Store, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "x.bentomodel", member("a", bytes(10_000_000)))
    assert path.stat().st_size < 10_000
    with pytest.raises(ModelError, match="unpacks to more than 1,000,000 bytes, the limit"):
        import_version(store, path, limit=1_000_000)


def test_a_header_that_claims_to_be_long(store: Store, tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 2**30
    path = archive_of(tmp_path / "x.bentomodel", headers=header.tobuf())
    with pytest.raises(ModelError, match="is not a model archive that can be read"):
        import_version(store, path)


def test_a_pipe_is_not_waited_for(store: Store, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.bentomodel")
    with pytest.raises(ModelError, match="it is not a regular file"):
        import_version(store, tmp_path / "x.bentomodel")


def test_aliases_are_not_followed(store: Store, tmp_path: Path) -> None:
    yaml = b"name: &a clf\nversion: *a\n"
    path = archive_of(tmp_path / "x.bentomodel", member("model.yaml", yaml))
    with pytest.raises(ArtifactError, match=r"has no readable model\.yaml"):
        import_version(store, path)


def test_a_pipe_is_not_exported(store: Store, tmp_path: Path) -> None:
    version = store.save(LinearDraft())
    (version.path / "golden.npz").unlink()
    os.mkfifo(version.path / "golden.npz")
    with pytest.raises(ModelError, match=r"contains golden\.npz, which is not a regular file"):
        export_version(store, version, tmp_path)


def test_a_signature_travels_along(store: Store, tmp_path: Path) -> None:
    key = PrivateKey.generate()
    version = store.save(LinearDraft())
    unsigned = export_version(store, version, tmp_path / "unsigned")
    sign(store, version, key)
    signed = export_version(store, version, tmp_path / "signed")
    careful = Store(tmp_path / "careful" / "models", TrustedKeys((key.public(""),)))
    with pytest.raises(ArtifactError, match="is not signed"):
        import_version(careful, unsigned)
    assert careful.versions() == []
    assert import_version(careful, signed).tag == version.tag
    suspicious = TrustedKeys((PrivateKey.generate().public(""),))
    with pytest.raises(ArtifactError, match="is not signed by a key in PUPILA_TRUSTED_KEYS"):
        import_version(Store(tmp_path / "other" / "models", suspicious), signed)
