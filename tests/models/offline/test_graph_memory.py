import numpy as np
import pytest

from errors import ConversionError
from models.offline.surgery import cut
from tests.networks import classifier, network, node


def test_an_image_that_becomes_gigabytes_is_refused_before_it_runs() -> None:
    before = [node("Resize", ["image", "", "scales"], ["scaled"])]
    constants = {"scales": np.array([1, 1, 2000, 2000], np.float32)}
    with pytest.raises(ConversionError, match=r"one image scaled, \[1, 3, 32000, 32000\], of 11,"):
        cut(network(classifier(), before=before, constants=constants))


def test_an_image_that_is_enlarged_a_little_is_not() -> None:
    before = [node("Resize", ["image", "", "scales"], ["scaled"])]
    constants = {"scales": np.array([1, 1, 2, 2], np.float32)}
    assert cut(network(classifier(), before=before, constants=constants)).sides.height == 16
