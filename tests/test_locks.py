"""The locks agree with each other, carry hashes, and keep training out of serving."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
SETS = (
    "serving",
    "train",
    "dask",
    "score",
    "monitor",
    "evidently",
    "boosters",
    "catboost",
    "photos",
    "tracing",
    "grpc",
    "dev",
)
LOCKS = (*SETS, "image", "uv")
WITHIN = (
    ("train", "image"),
    ("score", "image"),
    ("image", "dev"),
    ("serving", "train"),
    ("train", "dask"),
    ("serving", "score"),
    ("serving", "monitor"),
    ("dask", "dev"),
    ("score", "dev"),
    ("monitor", "dev"),
    ("train", "boosters"),
    ("train", "photos"),
    ("photos", "dev"),
    ("boosters", "dev"),
    ("serving", "tracing"),
    ("tracing", "dev"),
    ("serving", "grpc"),
    ("grpc", "dev"),
    ("uv", "dev"),
)
TRAINING = {"skl2onnx", "onnx", "scikit-learn", "scipy", "skops", "matplotlib", "joblib"}


def entries(text: str) -> dict[str, tuple[str, ...]]:
    """The hashes of every pin, such as ``numpy==2.4.6 ; python_full_version < '3.12'``."""
    lines = text.replace("\\\n", "").splitlines()
    pins = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    found = {}
    for pin in pins:
        name, *hashes = re.split(r"\s+--hash=", pin.strip())
        found[name.strip()] = tuple(hashes)
    return found


def lock(name: str) -> dict[str, tuple[str, ...]]:
    return entries((REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8"))


def libraries(name: str) -> set[str]:
    return {pin.partition("==")[0] for pin in lock(name)}


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_is_a_pin_with_hashes(name: str) -> None:
    assert lock(name)
    for pin, hashes in lock(name).items():
        assert re.match(r"[a-z0-9-]+==[\w.]+( ; |$)", pin), pin
        assert hashes, pin
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), pin


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_names_a_place(name: str) -> None:
    text = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|file:|^-|index-url|find-links|trusted-host", text, re.MULTILINE)


@pytest.mark.parametrize(("smaller", "larger"), WITHIN)
def test_the_smaller_set_is_part_of_the_larger(smaller: str, larger: str) -> None:
    assert lock(smaller).items() <= lock(larger).items()


def test_every_dependency_is_locked_in_its_set() -> None:
    """Fails when pyproject.toml has changed and ``make lock`` has not run."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sets = {"serving": project["dependencies"], **project["optional-dependencies"]}
    assert sets.keys() == set(SETS)
    for name, dependencies in sets.items():
        wanted = {re.split(r"[\[<>=!~; ]", dependency)[0] for dependency in dependencies}
        assert wanted <= libraries(name)


def test_serving_has_no_training_library() -> None:
    assert not libraries("serving") & (TRAINING | {"uv", "dask", "distributed", "pytest"})


def test_train_has_the_training_libraries() -> None:
    assert libraries("train") >= TRAINING
    assert "dask" not in libraries("train")


def test_dask_has_its_scheduler() -> None:
    assert libraries("dask") >= {"dask", "distributed"}


def test_score_has_parquet_and_no_training_library() -> None:
    assert libraries("score") >= {"pyarrow", "click", "rich"}
    assert not libraries("score") & (TRAINING | {"distributed"})


@pytest.mark.parametrize("name", ["serving", "train", "dask", "score", "image"])
def test_only_developers_get_uv(name: str) -> None:
    assert "uv" not in libraries(name)


def test_a_pin_without_hashes_would_be_seen() -> None:
    text = "a==1 ; x < '2' \\\n    --hash=sha256:00\n    # via b\nb==2\n"
    assert entries(text) == {"a==1 ; x < '2'": ("sha256:00",), "b==2": ()}


def test_the_installer_is_one_wheel() -> None:
    assert libraries("uv") == {"uv"}
