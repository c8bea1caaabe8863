"""Unknown images among those that were left out, found within a bounded part of the time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from models.honest import HONEST
from models.store import Store
from records.prediction import KeptPrediction
from serving.inference.decoder import Decoder
from serving.inference.engine import Engine
from serving.recording.scout import SHARE, Passed, Scout
from settings import Settings
from tests.drafts import LinearDraft
from tests.drawing import png
from tests.honesty import DIGIT, honest_draft


class Clock:
    """Time that passes when it is told to, and a processor that each look takes some of."""

    def __init__(self, each: float = 0.0) -> None:
        self.now = self.spent = 0.0
        self.each = each

    def time(self) -> float:
        return self.now

    def cpu(self) -> float:
        self.spent += self.each
        return self.spent


def kept(image: bytes | None, version: str, **changes: object) -> KeptPrediction:
    fields = {"request_id": "1", "model": "clf", "version": version, "at": datetime.now(UTC)}
    return KeptPrediction(**fields | {"image": image, "label": 8} | changes)  # type: ignore[arg-type]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    version = Store(tmp_path / "models").save(LinearDraft(honest=honest_draft()))
    with ThreadPoolExecutor(1) as threads:
        yield Engine(version, Decoder(1_000_000, 2**27), threads, Settings())


def scout(engine: Engine, clock: Clock, per_minute: float = 600) -> Scout:
    made = Scout(Settings(), per_minute, clock.time, clock.cpu)
    made.learn(engine)
    return made


def blank() -> bytes:
    return png(np.full((8, 8), 255, np.uint8))


def test_it_tells_known_images_from_others(engine: Engine) -> None:
    version = engine.version.version
    predictions = [kept(DIGIT, version), kept(blank(), version)]
    scout(engine, Clock()).look(predictions)
    assert [one.known for one in predictions] == [True, False]


def test_what_it_cannot_judge_stays_open(engine: Engine) -> None:
    version = engine.version.version
    predictions = [
        kept(b"no image", version),
        kept(None, version),
        kept(blank(), "another"),
        kept(blank(), version, status=400),
    ]
    scout(engine, Clock()).look(predictions)
    assert [one.known for one in predictions] == [None] * 4


def test_a_damaged_version_is_not_judged_by(engine: Engine) -> None:
    (engine.version.path / HONEST).write_bytes(b"0")
    prediction = kept(blank(), engine.version.version)
    scout(engine, Clock()).look([prediction])
    assert prediction.known is None


def test_what_was_asked_about_is_not_looked_at_again(engine: Engine) -> None:
    prediction = kept(blank(), engine.version.version, known=True)
    scout(engine, Clock()).look([prediction])
    assert prediction.known is True


def test_only_the_unknown_are_found_and_only_some(engine: Engine) -> None:
    version = engine.version.version
    passed = [kept(image, version) for image in (DIGIT, blank()) * 10]
    clock = Clock()
    # A quarter of 20 a minute.
    found = scout(engine, clock, per_minute=20)
    assert [one.known for one in found.unknown(passed)] == [False] * 5
    clock.now = 12
    assert len(found.unknown([kept(blank(), version) for _ in range(10)])) == 1


def test_it_takes_no_more_than_its_part_of_a_processor(engine: Engine) -> None:
    version = engine.version.version
    clock = Clock(each=0.005)
    looking = scout(engine, clock)
    for second in range(1, 300):
        clock.now = float(second)
        looking.look([kept(None, version) for _ in range(6)])
    # A minute's worth at once; and each look at the clock here takes some, too.
    assert clock.spent <= (300 + 60) * SHARE * 3


def test_few_and_small_ones_are_remembered() -> None:
    passed = Passed()
    for _ in range(100):
        passed.add(kept(b"x", "a"))
    assert len(passed.take()) == 32
    assert passed.take() == []
    for _ in range(10):
        passed.add(kept(bytes(2**20), "a"))
    assert len(passed.take()) == 3
