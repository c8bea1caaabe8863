"""What a loaded version says of its own answers."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from errors import ArtifactError, BadRequestError
from images.decoding import read_pixels
from models.coverage import Coverage
from models.honest import HONEST, Honest
from models.store import Store
from serving.inference.batcher import Answer
from serving.inference.decoder import Decoder
from serving.inference.engine import Engine, Prediction
from settings import Settings
from tests.drafts import DIGITS, LinearDraft
from tests.honesty import DIGIT, honest_draft
from tests.waiting import PATIENCE_SECONDS

DRAFT = LinearDraft(honest=honest_draft())
KNOWN = DIGITS.features(read_pixels(DIGIT, DIGITS))
STRANGE = np.zeros(64, np.float32)
SURE = Answer(np.array([0.97, 0.01, 0.02] + [0.0] * 7, np.float32), 0)
UNSURE = Answer(np.array([0.3, 0.35, 0.35] + [0.0] * 7, np.float32), 1)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def engine(tmp_path: Path, executor: ThreadPoolExecutor, draft: LinearDraft = DRAFT) -> Engine:
    version = Store(tmp_path / "models").save(draft)
    return Engine(version, Decoder(1_000_000, 2**27), executor, Settings())


async def test_a_set_and_whether_it_is_known(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    honesty = engine(tmp_path, executor).honesty
    await honesty.read()
    # A label is in the set of 0.9 from a probability of 0.1 on.
    said = honesty.say(UNSURE, KNOWN, 0.9, known=True)
    assert said == ([1, 2, 0], True, False)
    assert honesty.say(SURE, STRANGE, 0.9, known=True) == ([0], False, False)


async def test_nothing_is_said_that_nobody_asked_for(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    honesty = engine(tmp_path, executor).honesty
    await honesty.read()
    assert honesty.say(SURE, KNOWN) == (None, None, False)
    assert honesty.say(SURE, KNOWN, 0.5).known is None
    assert honesty.say(SURE, KNOWN, known=True).prediction_set is None


async def test_what_an_image_was_made_into_is_judged(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    loaded = engine(tmp_path, executor)
    prediction = await _predict(loaded)
    assert np.array_equal(prediction.inputs, KNOWN)
    assert loaded.recognizes(read_pixels(DIGIT, DIGITS)) is True
    assert loaded.recognizes(np.zeros(64, np.uint8)) is False


@pytest.mark.parametrize(
    ("draft", "coverage", "known", "sentence"),
    [
        (LinearDraft(), 0.9, False, "leave coverage out, or import it again with --check."),
        (LinearDraft(), None, True, "leave known out, or ask another version."),
        (LinearDraft(probabilities=False), 0.9, False, "gives no probabilities, so it gives no"),
        (DRAFT, 0.999, False, "250 images, which state coverages up to 0.996; 0.999 needs 999."),
        (DRAFT, 0.9999999, False, "up to 0.996; 0.9999999 needs "),
        (
            replace(DRAFT, honest=honest_draft(held=30)),
            None,
            True,
            "30 images, too few to tell known ones from others: that needs 40",
        ),
        (
            replace(DRAFT, honest=Honest(Coverage(np.zeros(50, np.float32)), None)),
            None,
            True,
            "cannot tell known images",
        ),
    ],
)
def test_what_it_cannot_say(
    tmp_path: Path,
    executor: ThreadPoolExecutor,
    draft: LinearDraft,
    coverage: float | None,
    known: bool,
    sentence: str,
) -> None:
    honesty = engine(tmp_path, executor, draft).honesty
    assert not honesty.can(coverage, known)
    with pytest.raises(BadRequestError, match=sentence):
        honesty.check(coverage, known)
    honesty.check(None, known=False)


@pytest.mark.parametrize(
    ("answer", "inputs", "said"),
    [
        (SURE, KNOWN, (None, True, False)),
        (SURE, STRANGE, ([0], False, True)),
        (UNSURE, KNOWN, ([1, 2, 0], True, True)),
    ],
    ids=["sure", "strange", "unsure"],
)
async def test_it_abstains_unless_the_image_is_known_and_one_label_is_left(
    tmp_path: Path, executor: ThreadPoolExecutor, answer: Answer, inputs: np.ndarray, said: object
) -> None:
    honesty = engine(tmp_path, executor, replace(DRAFT, abstain=0.9)).honesty
    assert honesty.say(answer, inputs) == said


async def test_an_empty_set_has_no_label_to_say(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    honesty = engine(tmp_path, executor, replace(DRAFT, abstain=0.5)).honesty
    assert honesty.say(UNSURE, KNOWN) == ([], True, True)


async def test_another_coverage_does_not_change_when_it_abstains(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    honesty = engine(tmp_path, executor, replace(DRAFT, abstain=0.9)).honesty
    assert honesty.say(SURE, KNOWN, 0.99) == ([0, 2, 1], True, False)


@pytest.mark.parametrize("coverage", [0.5, 0.68, 0.9, None])
async def test_the_set_says_why_it_abstains(
    tmp_path: Path, executor: ThreadPoolExecutor, coverage: float | None
) -> None:
    honesty = engine(tmp_path, executor, replace(DRAFT, abstain=0.9)).honesty
    assert honesty.say(UNSURE, KNOWN, coverage) == ([1, 2, 0], True, True)


async def test_a_larger_set_than_the_one_that_decided_says_so_too(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    honesty = engine(tmp_path, executor, replace(DRAFT, abstain=0.68)).honesty
    assert honesty.say(UNSURE, KNOWN, 0.9) == ([1, 2, 0], True, True)


async def test_a_single_label_is_not_shown_where_none_decided(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    honesty = engine(tmp_path, executor, replace(DRAFT, abstain=0.5)).honesty
    wider = Answer(np.array([0.45, 0.2, 0.2] + [0.0] * 7, np.float32), 0)
    assert honesty.say(wider, KNOWN) == ([], True, True)
    assert honesty.say(wider, KNOWN, 0.6) == ([], True, True)


def test_a_version_that_abstains_is_not_loaded_without_its_file(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    version = Store(tmp_path / "models").save(replace(DRAFT, abstain=0.9))
    (version.path / HONEST).write_bytes(b"0")
    with pytest.raises(ArtifactError, match="SHA-256 differs"):
        Engine(version, Decoder(1_000_000, 2**27), executor, Settings())


async def test_a_damaged_file_is_told_whenever_it_is_needed(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    loaded = engine(tmp_path, executor)
    (loaded.version.path / HONEST).write_bytes(b"0")
    for _ in range(2):
        with pytest.raises(ArtifactError):
            await loaded.honesty.read()
    assert (await _predict(loaded)).label is not None


async def _predict(loaded: Engine) -> Prediction:
    expires = time.monotonic() + PATIENCE_SECONDS
    return await loaded.predict(
        DIGIT, probabilities=False, expires=expires, client_gone=lambda: False
    )
