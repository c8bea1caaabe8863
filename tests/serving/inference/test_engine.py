"""A loaded version: from image bytes to its label, in a real event loop."""

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from errors import BadRequestError, OverloadedError
from models.runtime import Outcome
from models.store import Store
from serving.inference.decoder import Decoder
from serving.inference.engine import Engine, _cost
from settings import Settings
from tests.drafts import LinearDraft
from tests.waiting import PATIENCE_SECONDS

JPEG = Path("tests/data/digit8.jpg").read_bytes()


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def engine(tmp_path: Path, executor: ThreadPoolExecutor, draft: LinearDraft) -> Engine:
    version = Store(tmp_path / "models").save(draft)
    return Engine(version, Decoder(1_000_000, 2**27), executor, Settings())


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def stays() -> bool:
    return False


def later(seconds: float = PATIENCE_SECONDS) -> float:
    return time.monotonic() + seconds


async def test_an_integer_label(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    loaded = engine(tmp_path, executor, LinearDraft(answer=8))
    prediction = await loaded.predict(JPEG, probabilities=False, expires=later(), client_gone=stays)
    assert type(prediction.label) is int
    assert prediction[:2] == (8, None)


async def test_a_string_label(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    loaded = engine(tmp_path, executor, LinearDraft(labels=("cat", "dog"), answer="dog"))
    prediction = await loaded.predict(JPEG, probabilities=False, expires=later(), client_gone=stays)
    assert prediction[:2] == ("dog", None)


async def test_probabilities_by_label(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    loaded = engine(tmp_path, executor, LinearDraft(labels=(3, 7), answer=7))
    prediction = await loaded.predict(JPEG, probabilities=True, expires=later(), client_gone=stays)
    # The softmax of 0 and 5.
    assert prediction[:2] == (7, {"3": 0.006693, "7": 0.993307})
    assert prediction.answer.label_index == 1


async def test_probabilities_that_there_are_not(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    loaded = engine(tmp_path, executor, LinearDraft(probabilities=False))
    with pytest.raises(BadRequestError, match="gives no probabilities"):
        await loaded.predict(JPEG, probabilities=True, expires=later(), client_gone=stays)


async def test_bytes_that_are_no_image(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    loaded = engine(tmp_path, executor, LinearDraft())
    with pytest.raises(BadRequestError, match=r"^Invalid image data: "):
        await loaded.predict(b"no image", probabilities=False, expires=later(), client_gone=stays)


async def test_too_many_pixels(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    loaded = engine(tmp_path, executor, LinearDraft())
    with pytest.raises(BadRequestError, match=r"Invalid image data: .*1000000"):
        await loaded.predict(
            png(1001, 1000), probabilities=False, expires=later(), client_gone=stays
        )


async def test_no_time_left(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    loaded = engine(tmp_path, executor, LinearDraft())
    with pytest.raises(OverloadedError, match="in time") as caught:
        await loaded.predict(JPEG, probabilities=False, expires=later(-1), client_gone=stays)
    assert caught.value.retry_after == 1


class Stalling:
    """A classifier whose every other run is held up by a busy machine."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self, features: NDArray[np.float32]) -> Outcome:
        self.runs += 1
        if self.runs % 2 == 0:
            busy = time.perf_counter() + 0.02
            while time.perf_counter() < busy:
                pass
        return Outcome(features, np.zeros(len(features), np.int64))


def test_what_a_busy_machine_adds_is_not_the_graphs_cost() -> None:
    """Its first requests would be refused as hopeless."""
    stalling = Stalling()
    cost = _cost(stalling, 4)
    assert stalling.runs > 2
    assert max(cost) < 0.02
