"""Artifacts: what was saved is what is read, or it is refused."""

import hashlib
import json
import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from errors import ArtifactError
from models.artifact import Artifact, read_artifact
from models.signature import PrivateKey, TrustedKeys
from tests.bad_graphs import REFUSED, large_memory
from tests.drafts import LinearDraft, rewrite_manifest

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    LinearDraft().write(tmp_path)
    return read_artifact(tmp_path)


def rewrite(artifact: Artifact, name: str, content: bytes) -> Artifact:
    """The artifact with another file under a hash that fits it."""
    (artifact.path / name).write_bytes(content)
    path = artifact.path / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    rewrite_manifest(artifact.path, manifest)
    return read_artifact(artifact.path)


def test_it_reproduces_its_golden_examples(artifact: Artifact) -> None:
    golden = artifact.arrays("golden.npz")
    outcome = artifact.open().run(golden["features"])
    np.testing.assert_allclose(outcome.scores, golden["scores"], atol=1e-6)


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz"])
def test_an_altered_file_is_refused(artifact: Artifact, name: str) -> None:
    content = bytearray((artifact.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (artifact.path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match="is not the file that was saved"):
        artifact.open()


def test_a_missing_file_is_refused(artifact: Artifact) -> None:
    (artifact.path / "model.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"model\.onnx .* No such file"):
        artifact.open()


def test_a_file_outside_the_manifest_is_not_read(artifact: Artifact) -> None:
    (artifact.path / "extra").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="does not list extra"):
        artifact.read("extra")


def test_other_answers_than_when_saved_are_refused(artifact: Artifact, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    LinearDraft(seed=7).write(other)
    swapped = rewrite(artifact, "model.onnx", (other / "model.onnx").read_bytes())
    with pytest.raises(
        ArtifactError, match="does not reproduce the predictions of its golden examples"
    ):
        swapped.open()


def test_other_features_than_when_saved_are_refused(artifact: Artifact) -> None:
    path = artifact.path / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["image_spec"]["scale"] = 15.0
    rewrite_manifest(artifact.path, manifest)
    with pytest.raises(ArtifactError, match="does not reproduce the features"):
        read_artifact(artifact.path).open()


def test_a_graph_that_is_not_valid(artifact: Artifact) -> None:
    with pytest.raises(ArtifactError, match="cannot load the graph"):
        rewrite(artifact, "model.onnx", b"no graph").open()


def test_pickled_arrays_are_not_loaded(artifact: Artifact) -> None:
    buffer = BytesIO()
    np.savez(buffer, pixels=np.array([object()], dtype=object))
    with pytest.raises(ArtifactError, match=r"golden\.npz of .* cannot be read"):
        rewrite(artifact, "golden.npz", buffer.getvalue()).open()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"labels": []}, "labels"),
        ({"labels": [1, 1]}, "the file"),
        ({"labels": [1, "a"]}, "the file"),
        ({"labels": [1, 10**30]}, "labels"),
        ({"files": {"../x": "0" * 64}}, "files"),
        ({"image_spec": {"mode": "L"}}, "image_spec.width"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_manifest_of_another_schema(
    artifact: Artifact, change: dict[str, object], where: str
) -> None:
    path = artifact.path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArtifactError, match=f"does not follow schema 1: {where}"):
        read_artifact(artifact.path)


def test_a_manifest_from_before_there_were_halves(artifact: Artifact) -> None:
    path = artifact.path / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["without_halves"]
    rewrite_manifest(artifact.path, manifest)
    old = read_artifact(artifact.path)
    assert old.manifest.without_halves is None
    assert old.halves() is None
    old.open()


def test_an_altered_half_model_is_refused(artifact: Artifact) -> None:
    graph = (artifact.path / "model.onnx").read_bytes()
    both = rewrite(rewrite(artifact, "half_a.onnx", graph), "half_b.onnx", graph)
    assert both.halves() is not None
    (artifact.path / "half_b.onnx").write_bytes(graph + b"x")
    with pytest.raises(ArtifactError, match=r"half_b\.onnx .* is not the file that was saved"):
        both.halves()


def test_a_single_half_model_is_ignored(artifact: Artifact) -> None:
    graph = (artifact.path / "model.onnx").read_bytes()
    assert rewrite(artifact, "half_a.onnx", graph).halves() is None


@pytest.mark.parametrize("arrays", [{}, {"pixels": np.zeros((2, 9), np.uint8)}])
def test_golden_examples_of_another_shape(
    artifact: Artifact, arrays: dict[str, NDArray[np.uint8]]
) -> None:
    buffer = BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match="cannot run its golden examples"):
        rewrite(artifact, "golden.npz", buffer.getvalue()).open()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_manifest_that_is_not_a_json_object(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match="does not follow schema 1"):
        read_artifact(tmp_path)


def test_a_folder_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is not a version saved by Pupila"):
        read_artifact(tmp_path)


def change(artifact: Artifact, **fields: object) -> Artifact:
    """The artifact with other fields in its manifest, and nothing else."""
    path = artifact.path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return read_artifact(artifact.path)


REORDERED = [*range(1, 10), 0]


def test_reordered_labels_are_refused(artifact: Artifact) -> None:
    with pytest.raises(ArtifactError, match=r"manifest\.json of .* is not the file that was saved"):
        change(artifact, labels=REORDERED).open()


@pytest.mark.parametrize("field", ["recipe", "estimator", "output", "without_halves"])
def test_any_other_field_is_protected_too(artifact: Artifact, field: str) -> None:
    with pytest.raises(ArtifactError, match="its content has another SHA-256"):
        change(artifact, **{field: "scores"}).verify()


def test_golden_examples_know_the_labels(artifact: Artifact) -> None:
    """Of a manifest whose digest was computed again."""
    rewrite_manifest(
        artifact.path, json.loads(artifact.manifest.model_dump_json()) | {"labels": REORDERED}
    )
    with pytest.raises(ArtifactError, match="does not have the labels of its golden examples"):
        read_artifact(artifact.path).open()


def test_a_manifest_without_a_digest_loads(artifact: Artifact) -> None:
    assert artifact.manifest.content
    assert change(artifact, content="").open()


def test_golden_examples_from_before_they_had_labels(artifact: Artifact) -> None:
    golden = artifact.arrays("golden.npz")
    del golden["labels"]
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **golden)
    assert rewrite(artifact, "golden.npz", buffer.getvalue()).open()


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz"])
def test_a_pipe_in_place_of_a_file(artifact: Artifact, name: str) -> None:
    (artifact.path / name).unlink()
    os.mkfifo(artifact.path / name)
    with pytest.raises(ArtifactError, match=f"{name} of .* cannot be read: it is not a regular"):
        artifact.open()


def test_a_link_out_of_the_store(artifact: Artifact, tmp_path: Path) -> None:
    graph = artifact.path / "model.onnx"
    graph.rename(tmp_path / "elsewhere")
    graph.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="it is not a regular file"):
        artifact.open()


def test_a_pipe_in_place_of_the_manifest(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(ArtifactError, match=r"has no readable manifest\.json"):
        read_artifact(tmp_path)


def test_a_large_file_that_was_altered(artifact: Artifact) -> None:
    with (artifact.path / "model.onnx").open("r+b") as file:
        file.truncate(100 * 2**20)
    with pytest.raises(ArtifactError, match="is not the file that was saved"):
        artifact.open()


@pytest.mark.parametrize("fault", REFUSED)
def test_a_graph_that_may_not_run(artifact: Artifact, fault: str) -> None:
    with pytest.raises(ArtifactError, match=f"it has {fault.strip()}"):
        rewrite(artifact, "model.onnx", REFUSED[fault]().SerializeToString()).open()


def test_a_graph_that_asks_for_terabytes(artifact: Artifact) -> None:
    with pytest.raises(ArtifactError, match="cannot run its golden examples"):
        rewrite(artifact, "model.onnx", large_memory()).open()


def test_a_version_is_used_only_if_a_trusted_key_signed_it(artifact: Artifact) -> None:
    key = PrivateKey.generate()
    trusted = TrustedKeys((key.public("a key"),))
    asked = read_artifact(artifact.path, trusted)
    for use in (asked.open, asked.verify, lambda: asked.read("golden.npz")):
        with pytest.raises(ArtifactError, match="is not signed"):
            use()
    manifest = (artifact.path / "manifest.json").read_bytes()
    (artifact.path / "manifest.json.sig").write_bytes(key.sign(manifest))
    assert asked.open(), "what was refused is tried again"
    with pytest.raises(ArtifactError, match=r"or its manifest was altered after"):
        read_artifact(change(artifact, created_at="2020-01-01T00:00:00Z").path, trusted).open()


def test_a_manifest_of_version_0_1_reads_and_hashes_as_it_did(tmp_path: Path) -> None:
    written = (DATA / "manifest_0.1.json").read_bytes()
    (tmp_path / "manifest.json").write_bytes(written)
    found = read_artifact(tmp_path)
    assert found.content == found.manifest.content != ""
    spec = found.manifest.image_spec
    assert spec.name == "rgb-5x4:lanczos:0-2"
    assert spec.decoding == "full"
    assert spec.model_dump(mode="json") == json.loads(written)["image_spec"]
