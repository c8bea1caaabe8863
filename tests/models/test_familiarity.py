"""Images that are like those of the training, and others."""

import numpy as np
import pytest
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.familiarity import NEIGHBOURS, Familiarity, width

DIGITS = ImageSpec.parse("digits")
COLOR = ImageSpec.parse("rgb-40x36")


def images(count: int, spec: ImageSpec, seed: int = 0, noise: float = 20) -> NDArray[np.uint8]:
    """Those of five prototypes, with noise."""
    prototypes = np.random.default_rng(9).integers(0, 256, (5, spec.n_features))
    rng = np.random.default_rng(seed)
    values = prototypes[rng.integers(5, size=count)] + rng.normal(
        0, noise, (count, spec.n_features)
    )
    return np.clip(values, 0, 255).astype(np.uint8)


def of(spec: ImageSpec, held: int = 250) -> Familiarity:
    trained, others = images(300, spec), images(held, spec, seed=1)
    return Familiarity.of(spec.features(trained), spec.features(others), spec, seed=0)


@pytest.mark.parametrize("spec", [DIGITS, COLOR])
def test_strange_images_are_not_known_and_others_are(spec: ImageSpec) -> None:
    found = of(spec)
    strange = np.random.default_rng(3).integers(0, 256, (50, spec.n_features), np.uint8)
    assert not found.knows(spec.features(strange)).any()
    assert found.knows(spec.features(images(500, spec, seed=2))).mean() > 0.96


@pytest.mark.parametrize("spec", [DIGITS, COLOR])
def test_limits_leave_out_as_many_as_they_say(spec: ImageSpec) -> None:
    found = of(spec)
    for share in (0.01, 0.05):
        limit = found.limit(share)
        assert limit is not None
        assert (found.distances > limit).mean() <= share
        assert (found.distances >= limit).mean() >= share - 1 / 250


@pytest.mark.parametrize(
    ("held", "limits"), [(39, (False, False)), (40, (False, True)), (200, (True, True))]
)
def test_few_images_have_no_limit(held: int, limits: tuple[bool, bool]) -> None:
    found = of(DIGITS, held)
    assert (found.limit(0.01) is not None, found.limit(0.05) is not None) == limits
    if not any(limits):
        with pytest.raises(ValueError, match="too few"):
            found.knows(DIGITS.features(images(1, DIGITS)))


def test_detail_within_blocks_counts() -> None:
    """Noise whose blocks have the means of a training image."""
    flat = np.full((250, COLOR.n_features), 128, np.uint8)
    flat[:, ::7] = np.arange(250, dtype=np.uint8)[:, None] // 4 + 96
    found = Familiarity.of(COLOR.features(flat), COLOR.features(flat[:240]), COLOR, seed=0)
    checked = np.full((1, 36, 40, 3), 128, np.uint8)
    checked[:, ::2, ::2], checked[:, 1::2, ::2] = 255, 1
    assert not found.knows(COLOR.features(checked.reshape(1, -1)))[0]


def test_of_embeddings_only_the_direction_counts() -> None:
    rng = np.random.default_rng(0)
    trained = (rng.normal(0, 1, (300, 24)) + 5 * np.eye(24)[0]).astype(np.float32)
    held = (rng.normal(0, 1, (250, 24)) + 5 * np.eye(24)[0]).astype(np.float32)
    found = Familiarity.of(trained, held, None, seed=0)
    assert found.knows(3 * held).mean() > 0.97
    away = (rng.normal(0, 1, (50, 24)) + 5 * np.eye(24)[7]).astype(np.float32)
    assert found.knows(away).mean() < 0.1
    assert np.isfinite(found.of_images(np.zeros((1, 24), np.float32))).all()


def test_what_is_not_a_number_is_not_known() -> None:
    assert not of(DIGITS).knows(np.full((1, 64), np.nan, np.float32))[0]


def test_one_image_is_judged_as_in_a_batch() -> None:
    found = of(COLOR)
    features = COLOR.features(images(300, COLOR, seed=4, noise=60))
    single = np.array([found.of_images(row[None])[0] for row in features])
    assert np.allclose(single, found.of_images(features), rtol=1e-4)


def test_a_sample_of_many_is_kept() -> None:
    trained = np.random.default_rng(0).random((NEIGHBOURS + 500, 8)).astype(np.float32)
    assert Familiarity.of(trained, trained[:50], None, seed=0).neighbours.shape == (2000, 8)


@pytest.mark.parametrize(
    ("spec", "inputs", "found"), [(DIGITS, 64, 64), (COLOR, 0, 768), (None, 9, 9)]
)
def test_how_many_numbers_are_compared(spec: ImageSpec | None, inputs: int, found: int) -> None:
    assert width(spec, inputs) == found
