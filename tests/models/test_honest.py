"""What a version keeps to be honest by, in its file."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from errors import ArtifactError
from models.artifact import read_artifact
from models.coverage import Coverage
from models.familiarity import Familiarity
from models.honest import HONEST, Honest
from tests.drafts import LinearDraft, rewrite_manifest
from tests.honesty import honest_draft


def saved(folder: Path, honest: Honest | None) -> Path:
    folder.mkdir()
    replace(LinearDraft(), honest=honest).write(folder)
    return folder


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    honest = honest_draft()
    artifact = read_artifact(saved(tmp_path / "a", honest))
    found = Honest.load(artifact)
    assert found is not None
    assert found.coverage is not None
    assert found.familiarity is not None
    assert honest.coverage is not None
    assert honest.familiarity is not None
    assert np.array_equal(found.coverage.scores, honest.coverage.scores)
    assert np.array_equal(found.familiarity.neighbours, honest.familiarity.neighbours)
    assert found.familiarity.bound == honest.familiarity.bound
    assert artifact.manifest.honesty == honest.record


def test_a_version_from_before_has_none(tmp_path: Path) -> None:
    assert Honest.load(read_artifact(saved(tmp_path / "a", None))) is None


def test_the_manifest_says_what_can_be_stated() -> None:
    record = honest_draft().record
    assert record.images == 250
    assert set(record.thresholds) == {"0.90", "0.95", "0.99"}
    assert set(record.limits) == {"0.01", "0.05"}
    few = Honest(Coverage(np.linspace(0, 1, 50, dtype=np.float32)), None).record
    assert set(few.thresholds) == {"0.90", "0.95"}
    assert few.compares is None
    assert few.limits == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": np.zeros(3)},
        {"scores": np.zeros((3, 3), np.float32)},
        {"scores": np.full(3, np.nan, np.float32)},
        {"neighbours": np.zeros((5, 3), np.float16)},
        {"neighbours": np.zeros((0, 64), np.float16)},
        {"distances": np.zeros(0, np.float32)},
    ],
)
def test_arrays_of_another_shape_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = saved(tmp_path / "a", honest_draft())
    arrays = dict(np.load(folder / HONEST)) | changes
    np.savez(folder / HONEST, **arrays)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][HONEST] = hashlib.sha256((folder / HONEST).read_bytes()).hexdigest()
    rewrite_manifest(folder, manifest)
    with pytest.raises(ArtifactError, match=r"has (scores|neighbours|distances) as"):
        Honest.load(read_artifact(folder))


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "a", honest_draft())
    (folder / HONEST).write_bytes(b"0")
    with pytest.raises(ArtifactError, match="SHA-256 differs"):
        Honest.load(read_artifact(folder))


def test_embeddings_have_no_image_spec() -> None:
    vectors = np.random.default_rng(0).random((60, 12)).astype(np.float32)
    familiarity = Familiarity.of(vectors, vectors[:50], None, seed=0)
    assert Honest(None, familiarity).record.compares == "embedding"
    assert honest_draft().record.compares == "pixels"
