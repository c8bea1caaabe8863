"""The data a version was validated on, read back."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from errors import ArtifactError
from models.artifact import Artifact, read_artifact
from models.reference import Reference
from tests.drafts import LinearDraft, rewrite_manifest


def reference(images: int = 6, **changes: Any) -> Reference:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "pixels": rng.integers(0, 256, (images, 64), np.uint8),
        "labels": np.arange(images) % 10,
        "probabilities": np.full((images, 10), 0.1, np.float32),
        "pca_mean": np.ones(64, np.float32),
        "pca_components": np.eye(20, 64, dtype=np.float32),
        "halves": np.full((2, images, 10), 0.1, np.float32),
        "sizes": np.full((3, 2), 8),
        "neighbours": np.zeros((4, 64), np.uint8),
        "nearest": np.ones(10, np.float32),
    }
    return Reference(**arrays | changes)


def artifact(folder: Path, content: bytes | None) -> Artifact:
    LinearDraft().write(folder)
    if content is not None:
        (folder / "reference.npz").write_bytes(content)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"]["reference.npz"] = hashlib.sha256(content).hexdigest()
        rewrite_manifest(folder, manifest)
    return read_artifact(folder)


def npz(**arrays: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def test_what_is_dumped_is_loaded(tmp_path: Path) -> None:
    before = reference()
    after = Reference.load(artifact(tmp_path, before.dump()))
    assert after is not None
    assert len(after) == 6
    for name, array in vars(before).items():
        np.testing.assert_array_equal(getattr(after, name), array)


DATA = {
    "name": "some",
    "sha256": "0" * 64,
    "images": 30,
    "holdout": 6,
    "classes": {str(label): label for label in range(10)},
    "skipped": 0,
    "seed": 0,
}


@pytest.mark.parametrize(
    ("nearest", "expected"), [(10, list(range(10))), (6, None)], ids=["drawn", "not drawn"]
)
def test_a_holdout_drawn_at_random_knows_the_classes_of_all(
    tmp_path: Path, nearest: int, expected: list[int] | None
) -> None:
    """Where training images count as ones held out, it was."""
    content = reference(nearest=np.ones(nearest, np.float32)).dump()
    artifact(tmp_path, content)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    rewrite_manifest(tmp_path, manifest | {"data": DATA})
    found = Reference.load(read_artifact(tmp_path))
    assert found is not None
    assert (None if found.drawn_from is None else found.drawn_from.tolist()) == expected


def test_what_was_not_computed_is_none(tmp_path: Path) -> None:
    without = reference(halves=None, sizes=None)
    after = Reference.load(artifact(tmp_path, without.dump()))
    assert after is not None
    assert after.halves is None
    assert after.sizes is None


def test_a_file_from_before_there_was_more_is_read(tmp_path: Path) -> None:
    old = reference()
    content = npz(pixels=old.pixels, labels=old.labels, probabilities=old.probabilities)
    after = Reference.load(artifact(tmp_path, content))
    assert after is not None
    assert after.pca_components is None
    np.testing.assert_array_equal(after.pixels, old.pixels)


def test_a_version_may_have_none(tmp_path: Path) -> None:
    assert Reference.load(artifact(tmp_path, None)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"pixels": np.zeros((6, 63), np.uint8)},
        {"labels": np.zeros(5, np.int64)},
        {"probabilities": np.zeros((6, 9), np.float32)},
        {"halves": np.zeros((2, 5, 10), np.float32)},
        {"sizes": np.zeros((3, 3), np.int64)},
        {"pca_components": np.zeros((20, 64), np.float64)},
        {"neighbours": np.zeros((4, 63), np.uint8)},
        {"nearest": np.ones(10)},
        {"labels": np.int64(3)},
    ],
)
def test_other_shapes_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    [name] = changes
    with pytest.raises(ArtifactError, match=f"has {name} as .* instead of "):
        Reference.load(artifact(tmp_path, reference(**changes).dump()))


def test_a_missing_array_is_refused(tmp_path: Path) -> None:
    content = npz(pixels=reference().pixels, labels=reference().labels)
    with pytest.raises(ArtifactError, match="has no probabilities"):
        Reference.load(artifact(tmp_path, content))
