"""Training in int8, with a tiny extractor in a store of the test's own."""

from dataclasses import replace

import numpy as np
import pytest

from models.extractor import Extractor
from models.extractors import Extractors
from models.manifest import Quantization
from models.offline.succession import save
from models.store import Store
from tests.extractors import SPEC, photos, saved_extractor
from train.dataset import Dataset, split
from train.embedding import embedded
from train.fit import TrainingResult, train_parts
from train.quantizing import in_int8, quantized_if_as_good, said


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("quantizing") / "models")


@pytest.fixture(scope="module")
def whole(store: Store) -> Extractor:
    return saved_extractor(store)


@pytest.fixture(scope="module")
def dataset(whole: Extractor) -> Dataset:
    pixels, labels = photos(120)
    return embedded(Dataset(pixels, np.array(labels), "colors", SPEC), whole)


def fitted(dataset: Dataset, extractor: Extractor) -> TrainingResult:
    return train_parts(
        split(dataset, 0.25, 0), dataset, "logistic", "colors", extractor=extractor, drawn=True
    )


@pytest.fixture(scope="module")
def in_float(dataset: Dataset, whole: Extractor) -> TrainingResult:
    return fitted(dataset, whole)


def test_the_version_has_the_small_extractor_and_what_it_costs(
    store: Store, dataset: Dataset, whole: Extractor, in_float: TrainingResult
) -> None:
    small = in_int8(store, whole, dataset.pixels)
    chosen = quantized_if_as_good(
        in_float, dataset, store, whole, small, max_loss=0.01, train=fitted
    )
    saved = save(store, chosen.candidate, "always", chosen.trained_on, chosen.images).version
    manifest = saved.manifest
    assert manifest.extractor == small.reference
    found = manifest.quantization
    assert found is not None
    assert found.holds
    assert (found.extractor, found.images) == (whole.tag, 30)
    assert manifest.metrics is not None
    assert found.accuracy_int8 == manifest.metrics.accuracy.value
    assert found.accuracy == in_float.metrics.accuracy.value
    assert "so the version has int8" in chosen.findings[-1]
    runtime = saved.artifact.open()
    assert runtime.run(SPEC.features(dataset.pixels[:3])).scores.shape == (3, 3)


def test_what_costs_too_much_leaves_the_version_in_float_and_nothing_behind(
    store: Store, dataset: Dataset, whole: Extractor, in_float: TrainingResult
) -> None:
    small = in_int8(store, whole, dataset.pixels[:8])
    better = replace(
        in_float,
        metrics=in_float.metrics.model_copy(
            update={
                "accuracy": in_float.metrics.accuracy.model_copy(update={"value": 1.0}),
            }
        ),
    )

    def worse(dataset: Dataset, extractor: Extractor) -> TrainingResult:
        result = fitted(dataset, extractor)
        accuracy = result.metrics.accuracy.model_copy(update={"value": 0.5})
        return replace(result, metrics=result.metrics.model_copy(update={"accuracy": accuracy}))

    chosen = quantized_if_as_good(better, dataset, store, whole, small, max_loss=0.01, train=worse)
    assert chosen.candidate.extractor == whole
    assert chosen.candidate.quantization is None
    assert (
        "the 1.0% that may be lost (--max-loss), so the version stays in float"
        in (chosen.findings[-1])
    )
    assert small.tag not in {one.tag for one in Extractors(store).all()}


@pytest.mark.parametrize(("images", "told"), [(9, True), (99, True), (100, False)])
def test_it_is_told_where_the_images_cannot_show_what_may_be_lost(images: int, told: bool) -> None:
    found = Quantization(
        extractor="tiny:abc",
        images=images,
        accuracy=1.0,
        accuracy_int8=1.0,
        max_loss=0.01,
        bytes=3,
        bytes_int8=1,
        speed=2.0,
    )
    assert ("So few images cannot show a loss of 1.0%" in said(found)) == told
