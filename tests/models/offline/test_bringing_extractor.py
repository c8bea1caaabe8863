from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import load_model_from_string, numpy_helper

from errors import ConversionError, ModelError
from images.spec import ImageSpec
from models.extractor import EXTRACTOR_GRAPH
from models.offline import lite0
from models.offline.bringing_extractor import Brought, Wish, bring, chosen
from models.offline.surgery import OUTPUT
from models.store import Store
from tests.extractors import saved_extractor, tiny_graph
from tests.networks import classifier, network, node, pooled


def bring_file(tmp_path: Path, content: bytes, **wish: Any) -> Brought:
    path = tmp_path / "My Net.onnx"
    path.write_bytes(content)
    return bring(Store(tmp_path / "models"), path, Wish(**wish))


def test_a_file_becomes_an_extractor(tmp_path: Path) -> None:
    found = bring_file(tmp_path, network(classifier()), license="MIT", source="me")
    manifest = found.extractor.manifest
    assert (manifest.name, manifest.dimension, manifest.output_name) == ("my-net", 8, OUTPUT)
    assert manifest.image_spec == ImageSpec.parse("rgb-16x16:bicubic:imagenet:chw:reduced")
    assert found.extractor.open().dimension == 8


def test_a_graph_for_one_image_runs_one_at_a_time(tmp_path: Path) -> None:
    head = [
        node("GlobalAveragePool", ["places"], ["pooled"]),
        node("Reshape", ["pooled", "one"], ["out"]),
    ]
    model = load_model_from_string(network(head, batch=1))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 8]), "one"))
    found = bring_file(tmp_path, model.SerializeToString())
    assert found.extractor.manifest.batch == 1
    spec = found.extractor.manifest.image_spec
    pixels = np.random.default_rng(0).integers(0, 256, (3, spec.n_features), np.uint8)
    assert found.extractor.open().run(spec.features(pixels)).shape == (3, 8)


def test_noise_in_a_batch_is_refused(tmp_path: Path) -> None:
    # The mean over the batch: an image in company has another embedding than alone.
    head = [
        node("GlobalAveragePool", ["places"], ["pooled"]),
        node("Flatten", ["pooled"], ["flat"]),
        node("ReduceMean", ["flat"], ["mean"], axes=[0], keepdims=1),
        node("Sub", ["flat", "mean"], ["out"]),
    ]
    with pytest.raises(ConversionError, match="another embedding in a batch than alone"):
        bring_file(tmp_path, network(head))


def test_the_tiny_one_of_the_tests_can_be_brought(tmp_path: Path) -> None:
    assert bring_file(tmp_path, tiny_graph(), output="embedding").extractor.manifest.dimension == 12


@pytest.mark.parametrize("field", ["license", "source"])
def test_what_is_said_too_long_is_a_sentence(tmp_path: Path, field: str) -> None:
    with pytest.raises(ConversionError, match=f"{field}: string should have at most [25]00"):
        bring_file(tmp_path, network(classifier()), **{field: "x" * 600})


@pytest.mark.parametrize(("count", "said"), [(9000, "9,000"), (0, "0")])
def test_an_embedding_has_few_numbers_and_some(tmp_path: Path, count: int, said: str) -> None:
    wide = np.random.default_rng(0).normal(size=(8, count)).astype(np.float32)
    head = [*pooled(), node("MatMul", ["flat", "wide"], ["out"])]
    with pytest.raises(ConversionError, match=f"gives {said} numbers .* has 1 to 8,192"):
        bring_file(tmp_path, network(head, constants={"wide": wide}))


def test_the_case_of_the_suffix_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "NET.ONNX"
    path.write_bytes(network(classifier()))
    assert chosen(Store(tmp_path / "models"), str(path)).extractor.manifest.name == "net"


@pytest.mark.parametrize("name", ["net.pt", "folder/net.safetensors", "NET.H5"])
def test_files_of_other_formats_are_to_be_exported(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConversionError, match=f"{name} is a file of .*; export the network to ONN"):
        chosen(Store(tmp_path / "models"), name)


def test_an_extractor_is_not_called_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"'net\.onnx' is not valid: what ends in \.onnx is taken"):
        bring_file(tmp_path, network(classifier()), name="net.onnx")


def test_a_file_with_the_suffix_twice_has_a_name_without(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx.onnx"
    path.write_bytes(network(classifier()))
    assert chosen(Store(tmp_path / "models"), str(path)).extractor.manifest.name == "net"


def test_the_default_one_is_made_again_if_it_is_damaged(tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    damaged = saved_extractor(store, lite0.NAME)
    (damaged.path / EXTRACTOR_GRAPH).unlink()
    chosen(store, lite0.NAME).extractor.verify()
