"""Where versions are looked for."""

from pathlib import Path

import pytest

from models.roots import version_paths


@pytest.mark.parametrize("name", ["..", ".", "../models", "Clf"])
def test_no_folder_beside_the_store_is_looked_into(tmp_path: Path, name: str) -> None:
    for model in ("clf", "Clf"):
        (tmp_path / "models" / model / "one").mkdir(parents=True, exist_ok=True)
    assert list(version_paths(tmp_path / "models", name)) == []


def test_every_folder_of_a_model_is_one(tmp_path: Path) -> None:
    (tmp_path / "models" / "clf" / "one").mkdir(parents=True)
    found = [tmp_path / "models" / "clf" / "one"]
    assert list(version_paths(tmp_path / "models", "clf")) == found
    assert list(version_paths(tmp_path / "models", None)) == found
