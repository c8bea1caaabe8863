import numpy as np
import pytest

from errors import ConversionError
from models.extractor_operators import EXTRACTOR_OPERATORS
from models.offline.surgery import OUTPUT, cut
from models.session import open_session
from tests.networks import facts, network, node, pooled, reasons, tokens

LAST = [
    node("Relu", ["places"], ["active"]),
    node("Transpose", ["active"], ["out"], perm=[0, 2, 3, 1]),
]


def dimension(graph: bytes, shape: tuple[int, ...]) -> int:
    session = open_session(graph, 1, EXTRACTOR_OPERATORS)
    (found,) = session.run([OUTPUT], {"image": np.ones(shape, np.float32)})
    return int(found.shape[1])


def test_places_of_any_size_with_channels_last_are_pooled() -> None:
    found = cut(network(LAST, layout="NHWC", sides=("height", "width")))
    assert dimension(found.graph, (1, 40, 24, 3)) == 8
    assert reasons(found)["pooling"] == "the channels are the last axis of its layers"


def test_oblong_places_with_channels_last_are_pooled() -> None:
    assert dimension(cut(network(LAST, sides=(16, 24))).graph, (1, 3, 16, 24)) == 8


def test_places_with_channels_second_are_pooled() -> None:
    found = cut(network([node("Relu", ["places"], ["out"])], layout="NHWC", sides=(8, 12)))
    assert dimension(found.graph, (1, 8, 12, 3)) == 8


def test_channels_of_a_dense_layer_are_last() -> None:
    head = [*LAST[:1], node("Transpose", ["active"], ["moved"], perm=[0, 2, 3, 1])]
    found = cut(network([*head, node("MatMul", ["moved", "projection"], ["out"])], sides=(6, 9)))
    assert dimension(found.graph, (1, 3, 6, 9)) == 6


def test_places_that_no_layer_tells_are_those_that_change_with_the_size() -> None:
    # Gather may take any axis, so nothing is known of what comes out of it.
    head = [*LAST[:1], node("Transpose", ["active"], ["moved"], perm=[0, 2, 3, 1])]
    head.append(node("Gather", ["moved", "seven"], ["out"], axis=3))
    content = network(head, sides=("h", "w"), constants={"seven": np.arange(7)})
    found = cut(content)
    assert dimension(found.graph, (1, 3, 16, 24)) == 7
    assert reasons(found)["pooling"] == "these change with the image's size"


def test_places_that_no_layer_tells_have_the_proportions_of_the_image() -> None:
    head = [*LAST[:1], node("Transpose", ["active"], ["moved"], perm=[0, 2, 3, 1])]
    head.append(node("Gather", ["moved", "seven"], ["out"], axis=3))
    found = cut(network(head, sides=(16, 24), constants={"seven": np.arange(7)}))
    assert dimension(found.graph, (1, 3, 16, 24)) == 7
    assert reasons(found)["pooling"] == "these have the image's proportions"


def test_one_token_more_than_places_is_the_one_for_all() -> None:
    head, constants = tokens(65)
    found = cut(network(head, constants=constants))
    assert facts(found)["pooling"] == "the first token"
    assert reasons(found)["pooling"] == "65 tokens are one for all and 8x8 places"


def test_as_many_tokens_as_places_have_none_for_all() -> None:
    head, constants = tokens(64)
    found = cut(network(head, constants=constants))
    assert facts(found)["pooling"] == "the mean of all tokens"
    assert reasons(found)["pooling"] == "64 tokens are 8x8 places, and none for all"


def test_tokens_of_a_graph_for_any_size_are_counted_in_a_run() -> None:
    head, constants = tokens(197)
    found = cut(network(head, sides=("h", "w"), constants=constants))
    assert reasons(found)["pooling"] == "197 tokens are one for all and 14x14 places"


def test_the_pooling_of_tokens_can_be_asked_for() -> None:
    head, constants = tokens(65)
    content = network(head, constants=constants)
    assert facts(cut(content, pool="mean"))["pooling"] == "the mean of all tokens"
    whole = cut(content, pool="none")
    assert facts(whole)["pooling"] == "as it is"
    assert dimension(whole.graph, (1, 3, 16, 16)) == 65 * 8


def test_places_have_no_first_token() -> None:
    with pytest.raises(ConversionError, match="places and no tokens: give --pool mean or none"):
        cut(network([node("Relu", ["places"], ["out"])]), pool="first")


@pytest.mark.parametrize("pool", ["mean", "first"])
def test_a_row_has_nothing_to_pool(pool: str) -> None:
    with pytest.raises(ConversionError, match=f"tokens: leave --pool {pool} out"):
        cut(network(pooled("out")), pool=pool)  # type: ignore[arg-type]
