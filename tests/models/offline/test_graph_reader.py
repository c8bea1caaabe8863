import pytest

from errors import ConversionError
from models.offline.graph_reader import Sides
from models.offline.surgery import cut
from tests.networks import classifier, facts, network


def test_other_numbers_of_channels_are_refused() -> None:
    with pytest.raises(ConversionError, match=r"\[N, 4, 16, 16\]; the images .* 1 or 3 channels"):
        cut(network(classifier(), channels=4))


def test_sides_that_no_image_spec_has_are_refused() -> None:
    with pytest.raises(ConversionError, match=r"takes images of 16x2048; .* at most 1,024"):
        cut(network(classifier(), sides=(2048, 16)))


def test_a_graph_for_any_size_gets_the_usual_one() -> None:
    found = cut(network(classifier(), sides=("h", "w")))
    assert found.sides == Sides("NCHW", 224, 224, 3, fixed=False)
    assert facts(found)["size"] == "224x224"


def test_a_side_that_is_free_is_like_the_other() -> None:
    found = cut(network(classifier(), sides=(32, "w")))
    assert found.sides == Sides("NCHW", 32, 32, 3, fixed=False)
