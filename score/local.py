"""Scoring on this machine."""

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from images.spec import ImageSpec
from score import scorer
from score.scorer import Answers, Image, Pixels, Scorer, batches, joined
from score.source import Chunk, load

T = TypeVar("T")
R = TypeVar("R")

# Batches that are submitted for decoding before the classifier needs them.
_AHEAD_PER_WORKER = 2

# If an image takes less than this to read and decode, most of it is Python, and threads only wait
# for each other: with 8x8 PNGs (60 µs), two threads scored 20 % fewer per second than a loop. Two
# processes were no faster: with 60,000 such images they scored 18 % fewer (bench/score.py).
_SLOW_SECONDS = 0.0003


class LocalEngine:
    """Reads and decodes batch by batch, on threads where that is faster; classifies on this one."""

    def __init__(self, scorer: Scorer, workers: int | None = None) -> None:
        """``workers``: the number of threads, by default one for each processor."""
        self._scorer = scorer
        self._workers = workers or os.cpu_count() or 1

    def close(self) -> None:
        """Does nothing: unlike a cluster's client, nothing stays open."""

    def answers(self, chunks: Iterable[Chunk]) -> Generator[tuple[Chunk, Answers], None, None]:
        """Each chunk with its answers, in order; reads ahead of the chunk that it yields."""
        batch = self._scorer.batch
        tasks = (
            _Task(chunk, images, is_last=number * batch >= len(chunk.images))
            for chunk in chunks
            for number, images in enumerate(batches(chunk.images, batch), start=1)
        )
        done: list[Answers] = []
        with closing(self._decoded(tasks)) as decoded:
            for task, pixels in decoded:
                done.append(self._scorer.classify(pixels))
                if task.is_last:
                    yield task.chunk, joined(done)
                    done = []

    def _decoded(self, tasks: Iterator["_Task"]) -> Generator[tuple["_Task", Pixels], None, None]:
        decode = partial(_decode, spec=self._scorer.spec, max_pixels=self._scorer.max_pixels)
        for task in tasks:
            start = time.perf_counter()
            pixels = decode(task.images)
            seconds = time.perf_counter() - start
            yield task, pixels
            if seconds > _SLOW_SECONDS * len(task.images):
                break
        else:
            return
        with ThreadPoolExecutor(self._workers, "decode") as pool:
            yield from in_order(
                lambda task: pool.submit(decode, task.images),
                tasks,
                _AHEAD_PER_WORKER * self._workers,
            )


def _decode(images: Sequence[Image | Path], spec: ImageSpec, max_pixels: int) -> Pixels:
    return scorer.decode([load(image) for image in images], spec, max_pixels)


@dataclass(frozen=True)
class _Task:
    """One batch of a chunk."""

    chunk: Chunk
    images: Sequence[Image | Path]
    is_last: bool


def in_order(
    submit: Callable[[T], Future[R]], items: Iterable[T], ahead: int
) -> Generator[tuple[T, R], None, None]:
    """Each item with its result, in order, with at most ``ahead`` of them submitted."""
    waiting: deque[tuple[T, Future[R]]] = deque()
    try:
        for item in items:
            waiting.append((item, submit(item)))
            if len(waiting) >= ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        for _, future in waiting:
            future.cancel()
