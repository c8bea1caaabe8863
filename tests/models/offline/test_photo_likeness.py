"""Which photos are of the same scene, by a small extractor."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.extractor import Extractor
from models.offline.likeness import Likeness
from models.offline.photo_likeness import (
    SHARE,
    STRAY,
    PhotoLikeness,
    directions,
    scene_limit,
    scenes_of,
)
from models.store import Store
from settings import settings
from tests.extractors import SPEC, saved_extractor, scene_graph, scenes


@pytest.fixture(scope="module")
def extractor(tmp_path_factory: pytest.TempPathFactory) -> Extractor:
    store = Store(tmp_path_factory.mktemp("store") / "models")
    return saved_extractor(store, graph=scene_graph(), dimension=48)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PUPILA_HOME", str(tmp_path))
    settings.cache_clear()
    yield
    settings.cache_clear()


def split(bursts: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The first scenes, and the last ones."""
    return bursts[: len(bursts) // 2], bursts[len(bursts) // 2 :]


def test_the_next_frame_is_found_where_thumbnails_differ(extractor: Extractor) -> None:
    bursts = scenes(80)
    first, then = bursts[::2], bursts[1::2]
    assert not Likeness.of(bursts, SPEC).among(then, first).any()
    likeness = PhotoLikeness.between(*split(bursts), extractor)
    assert likeness.among(then, first).all()
    assert not likeness.among(scenes(40, seed=1), bursts).any()


def test_the_earlier_frame_is_named_across_chunks(extractor: Extractor) -> None:
    bursts = scenes(600)
    likeness = PhotoLikeness.between(*split(bursts), extractor)
    apart = np.concatenate([bursts[::2], bursts[1::2]])
    assert likeness.earlier(apart).tolist() == [-1] * 600 + list(range(600))


def test_an_equal_photo_is_found_by_its_thumbnail_too(extractor: Extractor) -> None:
    bursts = scenes(40)
    likeness = PhotoLikeness.between(*split(bursts), extractor)
    assert likeness.earlier(bursts[[0, 5, 0, 4]]).tolist() == [-1, -1, 0, 1]
    assert likeness.among(bursts[:0], bursts).tolist() == []
    assert likeness.among(bursts[:2], bursts[:0]).tolist() == [False, False]


def test_where_what_is_held_out_is_as_near_only_thumbnails_tell(extractor: Extractor) -> None:
    """As where one camera never moves: else nothing that it sees could be trained on."""
    bursts = scenes(80)
    first, then = bursts[::2], bursts[1::2]
    likeness = PhotoLikeness.between(first, then, extractor)
    assert likeness.among(then, first).mean() <= STRAY


def test_bursts_are_scenes_and_what_one_camera_sees_is_not() -> None:
    random = np.random.default_rng(0)
    middles = random.normal(0, 1, (30, 48)).repeat(3, axis=0)
    bursts = (middles + random.normal(0, 0.1, middles.shape)).astype(np.float32)
    labels = np.arange(30).repeat(3) % 2
    found = scenes_of(bursts, labels)
    assert len(np.unique(found)) == 30
    assert (found.reshape(30, 3) == found[::3, None]).all()
    assert len(np.unique(scenes_of(bursts, np.arange(30).repeat(3)))) == 90
    assert scenes_of(bursts[:0], labels[:0]).tolist() == []


def test_the_limit_is_a_share_of_what_is_far_apart() -> None:
    # Of 500 random directions in 48 dimensions, 1 - cosine is 1.18 at the quantile 0.9:
    # a normal distribution of deviation 1/sqrt(48), 1 + 1.2816 * 0.1443.
    random = np.random.default_rng(0)
    units = directions(random.normal(0, 1, (500, 48)).astype(np.float32))
    assert scene_limit(units) == pytest.approx(SHARE * 1.185, rel=0.01)
