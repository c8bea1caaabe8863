"""A run killed with SIGKILL continues without losing, doubling or repeating a row."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from models.store import Store
from score.run import Options, score
from tests.drafts import LinearDraft
from tests.score.scoring import folder, rows
from tests.servers import ROOT, environment

CHUNK = 8
ROWS = 20


def test_killed_at_every_change_of_the_disk(tmp_path: Path) -> None:
    models = tmp_path / "models"
    store = Store(models)
    store.save(LinearDraft())
    images = folder(tmp_path / "images", ROWS)
    expected = tmp_path / "expected.parquet"
    score(Options(images, expected, probabilities=True), store)
    out = tmp_path / "results.parquet"
    done = subprocess.run(
        [sys.executable, "-m", "tests.score.dying", images, out, expected, models, str(CHUNK)],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    moments = [json.loads(line) for line in done.stdout.splitlines()]
    for moment in moments:
        assert moment["same"], (moment, done.stderr)
        assert not moment["failed"], (moment, done.stderr)
        assert not moment["remains"], moment
        if not moment["finished"]:
            assert moment["kept"] + moment["scored"] == ROWS, moment
    assert {moment["kept"] for moment in moments} >= {0, CHUNK, 2 * CHUNK, ROWS}
    assert sum(moment["killed"] for moment in moments) == len(moments) - 2
    assert any(moment["killed"] and moment["finished"] for moment in moments)


def test_killed_while_it_scores(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = Store(home / "models")
    store.save(LinearDraft())
    images = folder(tmp_path / "images", 6000)
    whole = tmp_path / "whole.parquet"
    score(Options(images, whole), store)
    out = tmp_path / "results.parquet"
    parts = tmp_path / "results.parquet.parts"
    command = [sys.executable, "-m", "score", str(images), "--out", str(out)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        while len(list(parts.glob("part-*.parquet"))) < 2:
            assert process.poll() is None
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    kept = sum(pq.read_metadata(part).num_rows for part in parts.glob("part-*.parquet"))
    done = subprocess.run(
        command, cwd=ROOT, env=environment(home), capture_output=True, text=True, check=True
    )
    assert f"Scoring 6,000 images, {kept:,} of them already done ..." in done.stderr
    assert out.read_bytes() == whole.read_bytes()
    assert len({row["id"] for row in rows(out)}) == 6000
