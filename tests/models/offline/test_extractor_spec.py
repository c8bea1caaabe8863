from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from errors import ConversionError, SpecError
from models.offline.extractor_spec import spec_for
from models.offline.surgery import cut
from tests.networks import classifier, network, node


def name_of(text: str | None, **changes: Any) -> str:
    return spec_for(cut(network(classifier(), **changes)), text)[0].name


def test_an_image_spec_of_another_size_is_refused() -> None:
    with pytest.raises(ConversionError, match="takes images of 16x16 with 3 channels as CHW"):
        name_of("rgb-32x32:chw")


def test_an_image_spec_of_other_colors_is_refused() -> None:
    with pytest.raises(ConversionError, match="others: begin with rgb-16x16, and say :chw or no"):
        name_of("gray-16x16")


def test_an_image_spec_of_another_order_is_refused() -> None:
    with pytest.raises(ConversionError, match="say :chw or no order"):
        name_of("rgb-16x16:hwc")


def test_an_order_that_is_not_said_is_the_graphs() -> None:
    assert name_of("rgb-16x16:imagenet") == "rgb-16x16:imagenet:chw"
    assert name_of("rgb-16x16:imagenet", layout="NHWC") == "rgb-16x16:imagenet"


def test_one_channel_has_no_order() -> None:
    assert name_of("gray-16x16", channels=1) == "gray-16x16"
    assert name_of("gray-16x16:chw", channels=1) == "gray-16x16:chw"


def test_a_graph_for_any_size_takes_the_one_asked_for() -> None:
    assert name_of("rgb-48x32", sides=("h", "w")) == "rgb-48x32:chw"


def test_a_text_that_is_no_spec_is_quoted_as_it_is() -> None:
    with pytest.raises(SpecError, match="'rgb-16x16:fine'"):
        name_of("rgb-16x16:fine")


BYTES = {"kind": TensorProto.UINT8, "before": [node("Cast", ["image"], ["scaled"], to=1)]}


@pytest.mark.parametrize("text", ["rgb-16x16", "rgb-16x16:imagenet", "rgb-16x16:0-255:mean=127"])
def test_bytes_are_not_made_of_other_numbers(text: str) -> None:
    with pytest.raises(ConversionError, match=r"numbers from 0 to 255, .*: give rgb-16x16:0-255"):
        name_of(text, **BYTES)


def test_bytes_are_taken() -> None:
    assert name_of("rgb-16x16:0-255", **BYTES) == "rgb-16x16:0-255:chw"
    assert name_of("rgb-16x16:0-127:round", **BYTES) == "rgb-16x16:0-127:round:chw"


def test_a_graph_that_normalizes_gets_plain_values() -> None:
    before = [node("Mul", ["image", "two"], ["a"]), node("Sub", ["a", "one"], ["scaled"])]
    constants = {"two": np.float32(2), "one": np.float32(1)}
    assert name_of(None, before=before, constants=constants) == "rgb-16x16:bicubic:chw:reduced"
