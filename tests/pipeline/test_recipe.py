"""By which recipe a candidate is trained; of a champion with an extractor in ``test_photos``."""

import pytest

from errors import PipelineError
from pipeline.recipe import recipe_of
from tests.pipeline.conftest import Place


def test_the_champions_by_default(place: Place) -> None:
    assert recipe_of(place.champion) == place.champion.manifest.recipe


def test_one_for_pixels_is_as_it_is(place: Place) -> None:
    assert recipe_of(place.champion, "forest") == "forest"


def test_one_for_photos_is_refused_without_an_extractor(place: Place) -> None:
    with pytest.raises(PipelineError, match=r"The recipe lda is for photos, and clf:.* no feature"):
        recipe_of(place.champion, "lda")
