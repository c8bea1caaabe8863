from pathlib import Path

import numpy as np
import pytest

from errors import ArtifactError
from models.extractor import Embedder, difference
from models.extractors import Extractors
from models.offline.backbone import Backbone, golden_pixels
from models.offline.bringing_extractor import chosen
from models.offline.default_extractor import default_backbone
from models.offline.lite0 import lite0
from models.store import Store

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return default_backbone()


def test_embeddings_are_those_of_torch(backbone: Backbone) -> None:
    # bench/lite0_reference.py made them.
    with np.load(DATA / "lite0.npz") as reference:
        expected = reference["embeddings"]
    embedder = Embedder(backbone.graph, backbone.draft({}))
    found = embedder.run(backbone.spec.features(golden_pixels(backbone.spec)))
    assert difference(found, expected) < 1e-5


def test_it_is_added_once_by_its_name(tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    first = chosen(store, "efficientnet-lite0").extractor
    assert chosen(store, "efficientnet-lite0").extractor.tag == first.tag
    assert [one.tag for one in Extractors(store).all()] == [first.tag]
    assert first.manifest.license == "Apache-2.0"
    assert b"Apache License" in first.read("license.txt")


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ArtifactError, match="not those of EfficientNet-Lite0"):
        lite0({"_conv_stem.weight": np.zeros((32, 3, 5, 5), np.float32)})
