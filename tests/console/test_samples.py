"""Images to try a version with."""

from pathlib import Path

import numpy as np
import onnx
from sklearn.linear_model import LogisticRegression

from console.samples import samples
from images.decoding import examine
from images.spec import ImageSpec
from models.offline.candidate import Candidate
from models.reference import Reference
from models.small import small_copies
from models.store import Store
from tests.drafts import LinearDraft
from tests.extractors import saved_extractor, tiny_graph

LARGE = ImageSpec(mode="RGB", width=48, height=40)


def graph_of(spec: ImageSpec) -> bytes:
    """The tiny network for images of other sides."""
    model = onnx.load_from_string(tiny_graph())
    _, height, width, _ = model.graph.input[0].type.tensor_type.shape.dim
    height.dim_value, width.dim_value = spec.height, spec.width
    content: bytes = model.SerializeToString()
    return content


def test_of_an_extractors_version_they_are_as_large_as_the_model_sees(tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    extractor = saved_extractor(store, graph=graph_of(LARGE), spec=LARGE)
    pixels = np.random.default_rng(1).integers(0, 256, (30, LARGE.n_features), np.uint8)
    embeddings = extractor.open().run(LARGE.features(pixels))
    labels = np.arange(30) % 2
    estimator = LogisticRegression().fit(embeddings, labels)
    reference = Reference(
        pixels=small_copies(pixels, LARGE),
        labels=labels,
        probabilities=estimator.predict_proba(embeddings).astype(np.float32),
        embeddings=embeddings.astype(np.float16),
    )
    version = store.save(
        Candidate(
            name="photos",
            estimator=estimator,
            spec=LARGE,
            check_pixels=pixels,
            extractor=extractor,
            check_embeddings=embeddings,
            reference=reference,
        )
    )
    found = samples(version)
    assert found
    headers = [examine(sample.picture.content).header for sample in found]
    assert {(header.width, header.height) for header in headers} == {(48, 40)}
    # The golden images have no true labels.
    assert {sample.label for sample in found} == {None}


def test_of_any_other_they_are_one_of_each_class(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (6, 64), np.uint8)
    reference = Reference(pixels, np.array([3, 1, 3, 8, 1, 8]), np.full((6, 10), 0.1, np.float32))
    version = Store(tmp_path / "models").save(LinearDraft(reference=reference))
    assert [sample.label for sample in samples(version)] == [1, 3, 8]
