"""Free memory that is kept for the next image, and given back when there is nothing to do."""

import subprocess
import sys

import pytest

from serving.inference.allocator import MUCH_BYTES, Spare
from tests.waiting import until_async

BLOCKS = """
from serving.inference.allocator import give_back, resident_bytes, share_free_blocks

share_free_blocks()
blocks, pins = [], []
for _ in range(20):
    blocks.append(b"x" * (4 * 2**20))
    # What is free up to the end of the heap goes back by itself.
    pins.append(b"y" * 100_000)
full = resident_bytes()
blocks.clear()
free = resident_bytes()
give_back()
print(full, free, resident_bytes())
"""


class Process:
    """One whose memory is what a test says; giving it back frees what is free."""

    def __init__(self, used: int) -> None:
        self.used, self.free, self.returned, self.idle = used, 0, 0, True

    def resident(self) -> int:
        return self.used + self.free

    def give_back(self) -> None:
        self.returned += self.free
        self.free = 0

    def spare(self, every_seconds: float = 60.0) -> Spare:
        return Spare(lambda: self.idle, self.resident, self.give_back, every_seconds)


def test_little_is_kept() -> None:
    process = Process(used=1000)
    spare = process.spare()
    process.free = MUCH_BYTES
    assert not spare.look()


def test_nothing_is_given_back_while_there_is_something_to_do() -> None:
    process = Process(used=1000)
    spare = process.spare()
    process.free, process.idle = MUCH_BYTES + 1, False
    assert not spare.look()
    process.idle = True
    assert spare.look()


def test_what_is_in_use_is_tried_once() -> None:
    process = Process(used=1000)
    spare = process.spare()
    process.used += MUCH_BYTES + 1
    assert spare.look()
    spare.return_it()
    assert not spare.look()


def test_what_went_by_itself_counts_when_it_comes_again() -> None:
    process = Process(used=10 * MUCH_BYTES)
    spare = process.spare()
    process.used = 0
    assert not spare.look()
    process.used = 2 * MUCH_BYTES
    assert spare.look()


async def test_it_looks_again_and_again() -> None:
    process = Process(used=1000)
    async with process.spare(every_seconds=0.001).watching():
        for _ in range(2):
            process.free = 2 * MUCH_BYTES
            await until_async(lambda: not process.free, "memory that was given back")
    assert process.returned == 4 * MUCH_BYTES


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and needs glibc")
def test_blocks_are_kept_until_they_are_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS], stdout=subprocess.PIPE, text=True, check=True
    )
    full, free, left = map(int, done.stdout.split())
    assert full - free < 8 * 2**20
    assert free - left > 70 * 2**20
