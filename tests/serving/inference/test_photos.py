"""Versions whose classifier takes embeddings, in a real event loop."""

import asyncio
import gc
import io
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from errors import OverloadedError, RejectedImageError
from models.extractor import Embedder
from models.store import Store
from models.version import Version
from serving.inference.activity import Activity
from serving.inference.answers import key_of
from serving.inference.decoder import Decoder
from serving.inference.extractors import SharedExtractors
from serving.inference.lanes import Lanes
from serving.inference.pace import Cost
from serving.inference.photos import PhotoEngine
from serving.inference.plan import Plan
from serving.metrics import ANSWERS_REPEATED
from serving.series import ExtractorMetrics
from settings import Settings
from tests.extractors import COLORS, DIMENSION, SPEC, photos, saved_extractor, saved_photos_version
from tests.waiting import PATIENCE_SECONDS, until_async


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("photos") / "models")


@pytest.fixture(scope="module")
def versions(store: Store) -> tuple[Version, Version]:
    """Two that share an extractor."""
    extractor = saved_extractor(store)
    return tuple(saved_photos_version(store, extractor, seed=seed) for seed in (0, 1))  # type: ignore[return-value]


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def shared() -> SharedExtractors:
    return SharedExtractors(Settings(), Activity())


def engine(
    version: Version,
    executor: ThreadPoolExecutor,
    shared: SharedExtractors,
    settings: Settings | None = None,
    activity: Activity | None = None,
) -> PhotoEngine:
    decoder = Decoder(1_000_000, 2**27, activity=activity)
    return PhotoEngine(version, decoder, executor, settings or Settings(), shared)


def png(color: str, side: int = 16) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), COLORS[color]).save(buffer, "PNG")
    return buffer.getvalue()


def stays() -> bool:
    return False


def later(seconds: float = PATIENCE_SECONDS) -> float:
    return time.monotonic() + seconds


async def test_it_answers_as_the_artifact_does(
    versions: tuple[Version, Version], executor: ThreadPoolExecutor, shared: SharedExtractors
) -> None:
    version = versions[0]
    loaded = engine(version, executor, shared)
    pixels = photos(6, seed=9)[0]
    expected = version.artifact.open().run(SPEC.features(pixels))
    for row, scores in zip(pixels, expected.scores, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(row.reshape(SPEC.height, SPEC.width, 3)).save(buffer, "PNG")
        prediction = await loaded.predict(buffer.getvalue(), False, later(), stays)
        np.testing.assert_allclose(prediction.answer.scores, scores, atol=1e-5)
        assert prediction.label == version.manifest.labels[int(scores.argmax())]


async def test_the_embedding_comes_with_the_prediction(
    versions: tuple[Version, Version], executor: ThreadPoolExecutor, shared: SharedExtractors
) -> None:
    loaded = engine(versions[0], executor, shared)
    prediction = await loaded.predict(png("red"), True, later(), stays)
    pixels = np.array([COLORS["red"]] * 256, np.uint8).reshape(1, -1)
    extractor = versions[0].artifact.extractor()
    assert extractor is not None
    expected = extractor.open().run(SPEC.features(pixels))[0]
    assert expected.shape == (DIMENSION,)
    np.testing.assert_allclose(prediction.inputs, expected, rtol=1e-5)
    assert prediction.label == "red"
    assert prediction.probabilities is not None
    loaded.check_embedding()


async def test_two_versions_share_one_session_which_is_freed_with_the_last(
    versions: tuple[Version, Version], executor: ThreadPoolExecutor, shared: SharedExtractors
) -> None:
    first, second = (engine(version, executor, shared) for version in versions)
    assert first._lanes is second._lanes
    session = weakref.ref(first._lanes.embedder)
    del first
    gc.collect()
    assert session() is not None
    assert (await second.predict(png("blue"), False, later(), stays)).label == "blue"
    del second

    def freed() -> bool:
        # A thread lets go of its last pass a moment after that has ended.
        gc.collect()
        return session() is None

    await until_async(freed, "its end")


class Noting:
    """An embedder that notes the kind of thread that it runs on."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.threads: list[str] = []

    def run(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        self.threads.append(threading.current_thread().name.partition("_")[0])
        return self._embedder.run(features)


async def test_a_large_photo_among_others_is_passed_where_it_is_decoded(
    versions: tuple[Version, Version], executor: ThreadPoolExecutor, shared: SharedExtractors
) -> None:
    activity, cost = Activity(), Cost(0.001, 0.001)
    loaded = engine(versions[0], executor, shared, activity=activity)
    embedder = Noting(loaded._lanes.embedder)
    plan, metrics = Plan(1, 1, 1, cost, cost), ExtractorMetrics("photos:1")
    loaded._lanes = Lanes(cast("Embedder", embedder), plan, metrics)
    large = png("red", side=950)
    alone = await loaded.features(large, later(), stays)
    activity.begin()
    among_others = await loaded.features(large, later(), stays)
    np.testing.assert_allclose(among_others, alone, rtol=1e-5)
    await loaded.features(large, later(), stays, in_batch=True)
    await loaded.features(png("red"), later(), stays)
    assert embedder.threads == ["embed", "decode", "embed", "embed"]


async def test_what_one_made_of_an_image_the_other_can_classify(
    versions: tuple[Version, Version], executor: ThreadPoolExecutor, shared: SharedExtractors
) -> None:
    first, second = (engine(version, executor, shared) for version in versions)
    assert first.extractor == second.extractor
    features = await first.features(png("green"), later(), stays)
    assert (await second.classify(features, False, later(), stays)).label == "green"


async def test_an_identical_image_is_answered_from_memory(
    versions: tuple[Version, Version], executor: ThreadPoolExecutor, shared: SharedExtractors
) -> None:
    loaded = engine(versions[0], executor, shared)
    image = png("red")
    before = _repeated(versions[0])
    first = await loaded.predict(image, False, later(), stays)
    again = await loaded.predict(image, True, later(), stays)
    other = await loaded.predict(png("red", side=17), False, later(), stays)
    assert again.label == first.label == other.label
    assert again.answer.scores.tobytes() == first.answer.scores.tobytes()
    assert again.probabilities is not None
    assert again.inputs.tobytes() == first.inputs.tobytes()
    assert _repeated(versions[0]) == before + 1


async def test_the_same_image_at_once_takes_one_pass(
    versions: tuple[Version, Version], executor: ThreadPoolExecutor, shared: SharedExtractors
) -> None:
    loaded = engine(versions[0], executor, shared)
    before = _repeated(versions[0])
    image = png("green", side=18)
    asked = (loaded.predict(image, False, later(), stays) for _ in range(9))
    answers = await asyncio.gather(*asked)
    assert len({answer.answer.scores.tobytes() for answer in answers}) == 1
    assert _repeated(versions[0]) == before + 8


async def test_others_go_on_where_the_first_of_them_gives_up(
    versions: tuple[Version, Version], executor: ThreadPoolExecutor, shared: SharedExtractors
) -> None:
    loaded = engine(versions[0], executor, shared)
    image = png("blue", side=19)
    first = asyncio.create_task(loaded.predict(image, False, later(), stays))
    second = asyncio.create_task(loaded.predict(image, False, later(), stays))
    await asyncio.sleep(0)
    assert loaded._under_way
    first.cancel()
    assert (await second).label == "blue"
    assert first.cancelled()
    assert not loaded._under_way


async def test_nobody_waits_longer_for_another_than_his_deadline(
    versions: tuple[Version, Version], executor: ThreadPoolExecutor, shared: SharedExtractors
) -> None:
    loaded = engine(versions[0], executor, shared)
    image = png("red", side=20)
    loaded._under_way[await key_of(image)] = asyncio.get_running_loop().create_future()
    with pytest.raises(OverloadedError):
        await loaded.predict(image, False, later(0.001), stays)


async def test_without_a_memory_nothing_is_answered_from_it(
    versions: tuple[Version, Version], executor: ThreadPoolExecutor, shared: SharedExtractors
) -> None:
    loaded = engine(versions[0], executor, shared, Settings(cached_answers=0))
    before = _repeated(versions[0])
    for _ in range(2):
        await loaded.predict(png("red"), False, later(), stays)
    assert _repeated(versions[0]) == before


async def test_the_features_for_a_pair_are_made_anew(
    versions: tuple[Version, Version], executor: ThreadPoolExecutor, shared: SharedExtractors
) -> None:
    loaded = engine(versions[0], executor, shared)
    before = _repeated(versions[0])
    await loaded.predict(png("red"), False, later(), stays)
    features = await loaded.features(png("red"), later(), stays)
    await loaded.classify(features, False, later(), stays)
    assert _repeated(versions[0]) == before


async def test_what_is_no_image_is_rejected_and_not_remembered(
    versions: tuple[Version, Version], executor: ThreadPoolExecutor, shared: SharedExtractors
) -> None:
    loaded = engine(versions[0], executor, shared)
    for _ in range(2):
        with pytest.raises(RejectedImageError):
            await loaded.predict(b"no image", False, later(), stays)
    assert loaded._answers is not None
    assert len(loaded._answers) == 0


async def test_a_deadline_that_has_passed(
    versions: tuple[Version, Version], executor: ThreadPoolExecutor, shared: SharedExtractors
) -> None:
    loaded = engine(versions[0], executor, shared)
    with pytest.raises(OverloadedError):
        await loaded.predict(png("red"), False, later(-1), stays)


def _repeated(version: Version) -> float:
    counter = ANSWERS_REPEATED.labels(version.name, version.version)
    return float(counter._value.get())
