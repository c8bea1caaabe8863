from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from images.formats import ANY_FORMAT
from models.store import Store
from score import local
from score.local import LocalEngine
from score.scorer import Answers, Image, Scorer
from score.source import Chunk
from tests.drafts import LinearDraft
from tests.score.scoring import pictures


@pytest.fixture
def scorer(tmp_path: Path) -> Scorer:
    version = Store(tmp_path / "models").save(LinearDraft())
    scorer = Scorer(version.artifact, 10**6, keep_scores=True)
    scorer.batch = 16
    return scorer


def chunks() -> list[Chunk]:
    images: list[Image] = [*pictures(200), b"broken", "not there"]
    return [
        Chunk(first, pa.nulls(len(images[first : first + 48])), tuple(images[first : first + 48]))
        for first in range(0, len(images), 48)
    ]


def answers(engine: LocalEngine) -> list[tuple[int, Answers]]:
    return [(chunk.first, found) for chunk, found in engine.answers(chunks())]


def test_threads_give_the_same_answers(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_SLOW_SECONDS", 10)
    here = answers(LocalEngine(scorer))
    monkeypatch.setattr(local, "_SLOW_SECONDS", 0)
    there = answers(LocalEngine(scorer, workers=2))
    assert len(here) == len(there) == 5
    for (first, alone), (first_there, together) in zip(here, there, strict=True):
        assert first == first_there
        np.testing.assert_array_equal(alone.indices, together.indices)
        np.testing.assert_array_equal(alone.scores, together.scores)
        assert alone.reasons == together.reasons
    assert there[-1][1].reasons[-2:] == [f"it is not {ANY_FORMAT}", "not there"]
