"""The loop in the image: no root to write to, two GiB, and a store on a volume."""

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.container.conftest import FIGURES
from tests.containers import command, docker

SCRIPT = """
python -m records migrate >/dev/null
python -m train --name loop --recipe logistic >/dev/null
python -m pipeline once --task retrain --model loop --json
cat /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null || true
"""
DUE = ("--env=PUPILA_RETRAIN_AGE_DAYS=0.000001", "--env=PUPILA_RETRAIN_INTERVAL_HOURS=0")


@pytest.fixture(scope="module")
def volume() -> Iterator[str]:
    name = f"pupila-{uuid.uuid4().hex}"
    docker("volume", "create", name)
    try:
        yield f"--volume={name}:/data"
    finally:
        docker("volume", "rm", name)


@pytest.mark.whole
def test_a_retraining_is_judged_and_its_rollout_begins(image: str, volume: str) -> None:
    options = (volume, "--cpus=1", "--memory=2g", *DUE)
    *lines, peak = command("sh", "-euc", SCRIPT, options=options).splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["what"] for event in events][:4] == ["begins", "trained", "judged", "rolling out"]
    assert not any(event["fault"] for event in events)
    FIGURES["memory of a retraining of 1,428 digits"] = f"at most {int(peak) / 2**20:.0f} MiB"
    # Another container on the volume goes on, and so does the guard, which needs no version.
    told = command("python", "-m", "pipeline", "once", options=options)
    assert "retrain loop: rolling out: rollout 1 goes on in the shadow" in told
    assert "guard loop: stay: 0 of 200 images were compared" in told
