"""Distances to the nearest training image, against plain ones."""

import numpy as np
import pytest
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.neighbours import Neighbours

DIGITS = ImageSpec.parse("digits")
RGB = ImageSpec.parse("rgb-40x24")
RNG = np.random.default_rng(0)


def images(count: int, spec: ImageSpec = DIGITS) -> NDArray[np.uint8]:
    return RNG.integers(0, 256, (count, spec.n_features), np.uint8)


def plain(some: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Root mean squares, [N, T]."""
    difference = some[:, None].astype(np.float64) - others
    return np.asarray(np.sqrt((difference**2).mean(axis=2)))


def test_of_small_images_it_is_the_distance_of_all_pixels() -> None:
    known, new = images(30), images(700)
    found = Neighbours.of(known, DIGITS).distances(new)
    np.testing.assert_allclose(found, plain(new, known).min(axis=1), rtol=1e-3)


def test_one_that_was_trained_on_is_at_no_distance() -> None:
    known = images(5)
    assert Neighbours.of(known, DIGITS).distances(known) == pytest.approx(0, abs=0.5)


def test_among_themselves_none_is_its_own_neighbour() -> None:
    known = images(300)
    distances = plain(known, known)
    np.fill_diagonal(distances, np.inf)
    found = Neighbours.of(known, DIGITS).among(known)
    np.testing.assert_allclose(found, distances.min(axis=1), rtol=1e-3)


def test_copies_and_images_of_the_same_group_are_no_neighbours() -> None:
    known = images(4)
    copied = np.concatenate([known, known])
    near = Neighbours.of(copied, DIGITS)
    assert near.among(copied).min() > 10
    groups = np.array(["a", "b"] * 4)
    distances = plain(copied, copied)
    distances[groups[:, None] == groups] = np.inf
    np.testing.assert_allclose(near.among(copied, groups), distances.min(axis=1), rtol=1e-3)
    assert np.isinf(near.among(copied, np.full(8, "a"))).all()


def test_a_large_image_is_reduced_to_blocks_of_which_the_detail_counts() -> None:
    flat = np.full((3, RGB.n_features), 100, np.uint8)
    noisy = flat.copy()
    noisy[1] += (np.indices((24, 40, 3)).sum(axis=0) % 2 * 20).astype(np.uint8).reshape(-1)
    noisy[2] += 30
    near = Neighbours.of(flat[:1], RGB)
    assert near.small.shape == (1, Neighbours.features(RGB)) == (1, 16 * 16 * 3)
    # Every other value is 20 higher: a mean square of 200. Then all are 30 higher.
    expected = [0, np.sqrt(200), 30]
    assert near.distances(noisy) == pytest.approx(expected, abs=0.1)


def test_no_images_have_no_distances() -> None:
    near = Neighbours.of(images(3), DIGITS)
    assert near.distances(images(0)).shape == (0,)
    assert Neighbours.of(images(0), DIGITS).small.shape == (0, 64)
