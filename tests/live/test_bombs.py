"""Small files of 25 megapixels, from many clients: memory stays bounded, others are answered."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bombs import BOMBS, attack
from tests.servers import Server, serve

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

GOOD = Path("tests/data/predict_digit8.json").read_bytes()
BUDGET = 160 * 2**20
# What clients' bodies, their parsing and the allocator hold besides.
REST = 48 * 2**20


@pytest.fixture(scope="module")
def bombed(home: Path) -> Iterator[Server]:
    with serve(home, deadline_ms=2_000, decode_bytes=BUDGET) as running:
        assert running.post("/predict/", content=GOOD).status_code == 200
        yield running


def memory(server: Server, name: str) -> int:
    (worker,) = server.workers()
    text = Path(f"/proc/{worker}/status").read_text()
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


@pytest.mark.parametrize("kind", ["PNG with alpha", "WebP", "GIF", "JPEG CMYK"])
def test_a_bomb_from_many_clients(bombed: Server, kind: str) -> None:
    (worker,) = bombed.workers()
    before = memory(bombed, "VmRSS")
    Path(f"/proc/{worker}/clear_refs").write_text("5")
    seen = attack(bombed.url, GOOD, BOMBS[kind](), clients=16, seconds=1)
    assert seen.keys() <= {200, 400, 503}, seen
    assert memory(bombed, "VmHWM") - before <= BUDGET + REST
    assert bombed.workers() == [worker]
