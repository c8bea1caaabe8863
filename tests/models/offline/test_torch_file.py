import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from errors import ArtifactError
from models.offline.torch_file import read_weights

DATA = Path(__file__).resolve().parents[2] / "data"


def test_tensors_are_those_of_torch() -> None:
    # Saved by torch 2.13 with _use_new_zipfile_serialization=False: views, strides out of order.
    found = read_weights(DATA / "weights.pth")
    with np.load(DATA / "weights.npz") as expected:
        assert found.keys() == set(expected.files)
        for name in expected.files:
            np.testing.assert_array_equal(found[name], expected[name])
            assert found[name].dtype == expected[name].dtype


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("made-by-a-pickle",)


def written(path: Path, weights: bytes) -> Path:
    whole = (DATA / "weights.pth").read_bytes()
    head = whole[: whole.index(b"ccollections") - 2]
    path.write_bytes(head + weights + pickle.dumps([], 2))
    return path


def test_anything_but_tensors_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "bad.pth", pickle.dumps({"a": Harmful()}, 2))
    with pytest.raises(ArtifactError, match="more than tensors"):
        read_weights(path)
    assert not (tmp_path / "made-by-a-pickle").exists()


def test_entries_that_are_no_tensors_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "bad.pth", pickle.dumps({"a": 1}, 2))
    with pytest.raises(ArtifactError, match="more than tensors"):
        read_weights(path)


@pytest.mark.parametrize("cut", [0, 10, 100, 700, -1])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    content = (DATA / "weights.pth").read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(content[:cut])
    with pytest.raises(ArtifactError, match="is not a file of weights"):
        read_weights(path)


def test_a_tensor_outside_of_its_storage_is_refused(tmp_path: Path) -> None:
    content = (DATA / "weights.pth").read_bytes()
    # The strides of "plain", (3, 1), in the operations of the pickle: 300 where 3 was.
    assert content.count(b"K\x03K\x01\x86") >= 1
    changed = content.replace(b"K\x03K\x01\x86", b"K\xc8K\x01\x86", 1)
    path = tmp_path / "changed.pth"
    path.write_bytes(changed)
    with pytest.raises(ArtifactError, match="is not a file of weights"):
        read_weights(path)
