import numpy as np
from numpy.typing import NDArray

from train.near import NearDuplicates


def scenes(count: int, copies: int, seed: int = 0) -> NDArray[np.float32]:
    """Random directions, of which each of the first ``copies`` is there three times, nearly."""
    random = np.random.default_rng(seed)
    found = random.normal(0, 1, (count, 64))
    burst = np.repeat(found[:copies], 2, axis=0) + random.normal(0, 0.02, (2 * copies, 64))
    return np.concatenate([found, burst]).astype(np.float32)


def videos(count: int, frames: int, seed: int = 0) -> NDArray[np.float32]:
    """``count`` random directions, of which each is there so many times, nearly."""
    random = np.random.default_rng(seed)
    middles = np.repeat(random.normal(0, 1, (count, 64)), frames, axis=0)
    return (middles + random.normal(0, 0.1, middles.shape)).astype(np.float32)


def groups_of(near: NearDuplicates) -> list[NDArray[np.int64]]:
    return [np.flatnonzero(near.groups == group) for group in np.unique(near.groups)]


def test_bursts_are_groups() -> None:
    near = NearDuplicates.of(scenes(100, 10))
    assert near.photos == 30
    assert len(np.unique(near.groups)) == 100
    assert near.groups[3] == near.groups[106] == near.groups[107]


def test_photos_that_are_all_alike_are_no_burst() -> None:
    random = np.random.default_rng(0)
    alike = np.ones((100, 64)) + random.normal(0, 1e-3, (100, 64))
    assert NearDuplicates.of(alike.astype(np.float32)).photos == 0


def test_scenes_of_a_video_are_groups_however_large() -> None:
    near = NearDuplicates.of(videos(8, 50))
    assert near.photos == 400
    assert len(np.unique(near.groups)) == 8
    assert near.groups.tolist() == np.repeat(near.groups[::50], 50).tolist()


def test_one_scene_may_be_most_of_the_photos() -> None:
    near = NearDuplicates.of(np.concatenate([videos(1, 60), videos(20, 1, seed=1)]))
    assert near.photos == 60
    assert len(np.unique(near.groups)) == 21


def test_a_chain_is_no_scene() -> None:
    angles = np.linspace(0, np.pi, 200)
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    near = NearDuplicates.of(chain)
    distance = 1 - chain @ chain.T
    widest = max(distance[np.ix_(rows, rows)].max() for rows in groups_of(near))
    assert 2 < len(groups_of(near)) < 20
    assert widest < 0.5 * distance.max()


def test_progress_reaches_the_end() -> None:
    told: list[tuple[int, int]] = []
    NearDuplicates.of(scenes(600, 10), lambda *at: told.append(at))
    assert told == [(0, 620), (512, 620), (620, 620)]
