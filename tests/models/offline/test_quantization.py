"""An extractor in int8: what it gives, and what is said of it."""

import logging
from pathlib import Path

import numpy as np
import pytest

from errors import ConversionError
from models.extractor import EXTRACTOR_GRAPH, Extractor
from models.extractors import Extractors
from models.manifest import Quantization
from models.offline.quantization import CALIBRATED, _chosen, compared, quantized
from models.store import Store
from tests.extractors import SPEC, photos, saved_extractor


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("quantized") / "models")


@pytest.fixture(scope="module")
def whole(store: Store) -> Extractor:
    return saved_extractor(store)


@pytest.fixture(scope="module")
def small(store: Store, whole: Extractor) -> Extractor:
    backbone = quantized(whole, photos(40)[0])
    return Extractors(store).save(backbone.name, backbone.write)


def test_it_runs_in_int8_and_gives_nearly_the_same(whole: Extractor, small: Extractor) -> None:
    assert "QLinearConv" in small.manifest.operators
    features = SPEC.features(photos(20, seed=5)[0])
    expected, found = whole.open().run(features), small.open().run(features)
    alike = (expected * found).sum(1)
    alike /= np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
    assert alike.min() > 0.98
    assert not np.array_equal(expected, found)


def test_it_is_another_extractor_that_says_where_it_comes_from(
    whole: Extractor, small: Extractor
) -> None:
    assert small.manifest.name == "tiny-int8"
    assert small.sha256 != whole.sha256
    assert whole.tag in small.manifest.source
    assert small.manifest.license == whole.manifest.license
    assert small.manifest.image_spec == whole.manifest.image_spec
    assert small.manifest.tolerance > whole.manifest.tolerance


def test_the_same_images_give_the_same_graph(whole: Extractor, small: Extractor) -> None:
    again = quantized(whole, photos(40)[0])
    assert again.graph == small.read(EXTRACTOR_GRAPH)


def test_no_more_images_are_used_than_it_takes_and_of_all_classes() -> None:
    pixels = np.arange(3 * CALIBRATED, dtype=np.uint16)[:, None]
    chosen = _chosen(pixels)  # type: ignore[arg-type]
    assert len(chosen) == CALIBRATED
    assert (chosen[0, 0], chosen[-1, 0]) == (0, 3 * CALIBRATED - 1)
    assert np.diff(chosen[:, 0]).max() <= 4
    assert len(_chosen(pixels[:5])) == 5  # type: ignore[arg-type]


def test_a_network_without_layers_of_weights_is_refused(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Transpose", ["pixels"], ["chw"], perm=[0, 3, 1, 2]),
        helper.make_node("GlobalAveragePool", ["chw"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 16, 16, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    store = Store(tmp_path / "models")
    means = saved_extractor(store, "means", graph=model.SerializeToString(), dimension=3)
    with pytest.raises(ConversionError, match="no layer that can be quantized"):
        quantized(means, photos(8)[0])


def test_the_logs_of_others_are_as_loud_as_before(whole: Extractor) -> None:
    level = logging.getLogger().level
    quantized(whole, photos(8)[0])
    assert logging.getLogger().level == level


def test_what_it_costs_and_saves(whole: Extractor, small: Extractor) -> None:
    found = compared(whole, small, images=10, accuracy=0.9, accuracy_int8=0.1, max_loss=0.01)
    assert (found.images, found.accuracy, found.accuracy_int8) == (10, 0.9, 0.1)
    assert found.extractor == whole.tag
    assert found.speed > 0
    assert found.bytes == len(whole.read(EXTRACTOR_GRAPH))
    assert not found.holds


@pytest.mark.parametrize(("accuracy_int8", "holds"), [(0.90, True), (0.89, True), (0.88, False)])
def test_whether_the_accuracy_holds(accuracy_int8: float, holds: bool) -> None:
    found = Quantization(
        extractor="tiny:a",
        images=100,
        accuracy=0.90,
        accuracy_int8=accuracy_int8,
        max_loss=0.01,
        bytes=2,
        bytes_int8=1,
        speed=1.0,
    )
    assert found.holds is holds
