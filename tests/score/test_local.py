import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from errors import ScoreError
from models.store import Store
from score import local
from score.local import LocalEngine
from score.scorer import Answers, Image, Scorer
from score.source import Chunk
from tests.drafts import LinearDraft
from tests.score.scoring import pictures
from tests.servers import ROOT


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


@pytest.mark.parametrize("how", ["threads", "processes"])
def test_who_decodes_does_not_show(
    scorer: Scorer, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_SLOW_SECONDS", 0 if how == "threads" else 10)
    here = answers(LocalEngine(scorer, workers=1) if how == "processes" else LocalEngine(scorer))
    monkeypatch.setattr(local, "_SLOW_SECONDS", 10)
    there = answers(LocalEngine(scorer, many=40, workers=2))
    assert len(here) == len(there) == 5
    for (first, one), (second, other) in zip(here, there, strict=True):
        assert first == second
        np.testing.assert_array_equal(one.places, other.places)
        np.testing.assert_array_equal(one.scores, other.scores)
        assert one.reasons == other.reasons
    assert there[-1][1].reasons[-2:] == ["it is not a JPEG, PNG, WebP, BMP or GIF", "not there"]


def test_a_process_that_dies_is_one_sentence(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_SLOW_SECONDS", 10)
    monkeypatch.setattr(local, "_begin", _die)
    with pytest.raises(ScoreError, match="run the same command to go on"):
        answers(LocalEngine(scorer, many=1, workers=2))


def _die() -> None:
    os._exit(1)


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    """Their output is read to its end, which comes once the last of them is gone."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "from score.local import _begin\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessPoolExecutor(2, get_context('spawn'), _begin)\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert int(done.stdout) > 0
