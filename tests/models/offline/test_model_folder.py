"""What folders of MLflow and of the Hub say of the estimator in them, true or not."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from errors import SourceError
from models.offline.model_folder import Described, read_config, read_folder, read_mlmodel

SKLEARN: dict[str, Any] = {
    "pickled_model": "model.pkl",
    "serialization_format": "cloudpickle",
    "sklearn_version": "1.3.2",
}


def mlmodel(flavor: Any = None, **fields: Any) -> str:
    """As text; JSON is YAML, too."""
    flavors = {"sklearn": SKLEARN | (flavor or {}), "python_function": {"model_path": "model.pkl"}}
    return json.dumps({"flavors": flavors, **fields})


def nothing(_: str) -> None:
    return None


def test_an_mlmodel_file() -> None:
    assert read_mlmodel(mlmodel(), nothing) == Described("model.pkl", "1.3.2")


@pytest.mark.parametrize(
    ("inputs", "features"),
    [
        ([{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 64]}}], 64),
        ([{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 8, 8, 3]}}], 192),
        ([{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, -1]}}], None),
        ([{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": "x"}}], None),
        ([{"type": "double", "name": f"x{number}"} for number in range(49)], 49),
        ([{"type": "string", "name": "text"}], None),
        ([], None),
        ({}, None),
    ],
)
def test_a_signature_tells_the_number_of_features(inputs: Any, features: int | None) -> None:
    text = mlmodel(signature={"inputs": json.dumps(inputs)})
    assert read_mlmodel(text, nothing).features == features


@pytest.mark.parametrize("inputs", ["[[[", "[" * 100_000, 5, None])
def test_a_signature_that_is_none(inputs: Any) -> None:
    assert read_mlmodel(mlmodel(signature={"inputs": inputs}), nothing).features is None


def test_an_image_spec_in_the_metadata() -> None:
    text = mlmodel(metadata={"image_spec": "gray-8x8:0-255"})
    assert read_mlmodel(text, nothing).spec == "gray-8x8:0-255"
    assert read_mlmodel(mlmodel(metadata={"image_spec": 5}), nothing).spec is None


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("requirements.txt", "mlflow==3.1\nscikit-learn==1.4.2\n", "1.4.2"),
        ("python_env.yaml", "dependencies:\n- scikit-learn==1.5.0\n", "1.5.0"),
        ("conda.yaml", "- pip:\n  - 'scikit-learn==1.2.2'\n", "1.2.2"),
        ("requirements.txt", "scikit-learn>=1.4\n", None),
        ("requirements.txt", "scikit-learn==1.4.2rc1 or whatever\n", None),
    ],
)
def test_requirements_tell_the_version_that_mlmodel_does_not(
    name: str, text: str, version: str | None
) -> None:
    files = {name: text}
    found = read_mlmodel(mlmodel({"sklearn_version": None}), files.get)
    assert found.scikit_learn == version


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not one of MLflow"),
        ("{", "is not one of MLflow"),
        ("[" * 50_000, "is not one of MLflow"),
        ("#" * (2**20 + 1), "is larger than 1,048,576 characters"),
        ("flavors: 5", "is not one of MLflow"),
        ("!!python/object/apply:os.mkdir [made]", "is not one of MLflow"),
        ("flavors: {xgboost: {}, python_function: {}}", "Its flavors are xgboost, and one"),
        (mlmodel({"code": "code"}), "code of its own"),
        (mlmodel({"pickled_model": "../../etc/passwd"}), "names one outside"),
        (mlmodel({"pickled_model": "/etc/passwd"}), "names one outside"),
        (mlmodel({"pickled_model": "a\\b"}), "names one outside"),
        (mlmodel({"pickled_model": "a\nb"}), "names one outside"),
        (mlmodel({"pickled_model": None}), "names one outside"),
        (mlmodel({"pickled_model": ["model.pkl"]}), "names one outside"),
    ],
)
def test_an_mlmodel_file_that_cannot_be_used(text: str, sentence: str) -> None:
    with pytest.raises(SourceError, match=sentence):
        read_mlmodel(text, nothing)
    assert not Path("made").exists()


def config(**about: Any) -> str:
    return json.dumps({"sklearn": {"model": {"file": "model.skops"}} | about})


def test_a_config_of_the_hub() -> None:
    text = config(environment=["numpy", 'scikit-learn="1.2.1"', "scikit-learn=1.3.2"])
    assert read_config(text) == Described("model.skops", "1.3.2")
    found = read_config(config(columns=["a", "b"]))
    assert found is not None
    assert found.features == 2
    assert read_config('{"model_type": "bert"}') is None


@pytest.mark.parametrize("file", ["../model.skops", "", None, 5, "/model.skops", "a/./b"])
def test_a_config_that_leads_out(file: Any) -> None:
    with pytest.raises(SourceError, match="names one outside"):
        read_config(config(model={"file": file}))


def test_a_folder_of_either(tmp_path: Path) -> None:
    (tmp_path / "model.skops").write_bytes(b"x")
    (tmp_path / "config.json").write_text(config())
    assert read_folder(tmp_path)[0] == tmp_path / "model.skops"
    (tmp_path / "MLmodel").write_text(mlmodel())
    (tmp_path / "model.pkl").write_bytes(b"x")
    assert read_folder(tmp_path) == (tmp_path / "model.pkl", Described("model.pkl", "1.3.2"))


def test_a_folder_with_one_estimator_needs_no_description(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "sklearn"}')
    with pytest.raises(SourceError, match="it has none of these: name the file itself"):
        read_folder(tmp_path)
    (tmp_path / "sklearn_model.joblib").write_bytes(b"x")
    assert read_folder(tmp_path)[0].name == "sklearn_model.joblib"
    (tmp_path / "other.pkl").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"it has other\.pkl, sklearn_model\.joblib"):
        read_folder(tmp_path)


def test_the_cache_of_the_hub_keeps_its_files_beside(tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "snapshots" / "0123abcd", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for name, text in (("config.json", config()), ("model.skops", "x")):
        (blobs / f"of-{name}").write_text(text)
        (snapshot / name).symlink_to(Path("../../blobs") / f"of-{name}")
    assert read_folder(snapshot)[0] == snapshot / "model.skops"


def test_a_link_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "cloned"
    folder.mkdir()
    (tmp_path / "secret").write_text("x")
    (folder / "model.skops").symlink_to("../secret")
    (folder / "config.json").write_text(config())
    with pytest.raises(SourceError, match="leads out of the folder"):
        read_folder(folder)


def test_files_that_are_missing_or_no_files(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(mlmodel())
    with pytest.raises(SourceError, match=r"model\.pkl is not there"):
        read_folder(tmp_path)
    os.mkfifo(tmp_path / "model.pkl")
    with pytest.raises(SourceError, match=r"model\.pkl is not there"):
        read_folder(tmp_path)
    (tmp_path / "MLmodel").write_bytes(b" " * (4 * 2**20 + 1))
    with pytest.raises(SourceError, match="larger than"):
        read_folder(tmp_path)
