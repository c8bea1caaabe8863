"""No request holds the event loop for more than 20 ms of processor time, however it is made."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.stalls import INPUTS, Stall, measure, packet, requests
from tests.servers import Server, serve

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads clocks of other threads")

PACKETS = dict(requests())
ATTEMPTS = 25


@pytest.fixture(scope="module")
def beating(home: Path) -> Iterator[Server]:
    with serve(home, target="bench.beating:service", deadline_ms=5_000) as running:
        yield running


def assert_short(server: Server, title: str, content: bytes) -> None:
    """The shortest of some: what else the machine does can only make it longer, and beside other
    tests it did so four times in a row."""
    port = int(server.url.rpartition(":")[2])
    found: list[Stall] = []
    while len(found) < ATTEMPTS and not (found and found[-1].is_short):
        found.append(measure(port, title, content))
    assert found[-1].is_short, found


@pytest.mark.parametrize("title", INPUTS)
def test_a_body_holds_the_loop_only_shortly(beating: Server, title: str) -> None:
    assert_short(beating, title, packet(INPUTS[title]()))


@pytest.mark.parametrize("title", PACKETS)
def test_a_packet_holds_the_loop_only_shortly(beating: Server, title: str) -> None:
    assert_short(beating, title, PACKETS[title])
