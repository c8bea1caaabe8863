from pathlib import Path

import pytest

from errors import ModelError, UnknownVersionError
from models.kinds import check_model_name
from models.store import Store
from tests.extractors import saved_extractor


def test_an_extractor_is_not_asked_for_as_a_model(tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    saved_extractor(store)
    with pytest.raises(UnknownVersionError, match="'tiny' is an extractor and no model; see"):
        store.champion("tiny")
    with pytest.raises(UnknownVersionError, match="train one with: python -m train --name none"):
        store.champion("none")


def test_a_model_has_no_name_of_an_extractor(tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    saved_extractor(store)
    with pytest.raises(ModelError, match="'tiny' is an extractor's name"):
        check_model_name("tiny", store.roots)
    with pytest.raises(ModelError, match="is not valid"):
        check_model_name("No Name", store.roots)
    check_model_name("tiny-model", store.roots)
