"""Answers that were given already, for images that come again, byte for byte."""

import hashlib
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.inference.batcher import Answer
from serving.offloop import off_loop_if_large


class Given(NamedTuple):
    """What a version made of an image, and the embedding that it was made of."""

    answer: Answer
    embedding: NDArray[np.float32]


class Answers:
    """The last ``limit`` answers of one version; the least recently used goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._given: OrderedDict[bytes, Given] = OrderedDict()

    def __len__(self) -> int:
        return len(self._given)

    def get(self, key: bytes) -> Given | None:
        given = self._given.get(key)
        if given is not None:
            self._given.move_to_end(key)
        return given

    def keep(self, key: bytes, answer: Answer, embedding: NDArray[np.float32]) -> None:
        # Copies: both are views of what a whole batch gave.
        scores = answer.scores.copy()
        self._given[key] = Given(Answer(scores, answer.label_index), embedding.copy())
        self._given.move_to_end(key)
        while len(self._given) > self._limit:
            self._given.popitem(last=False)


async def key_of(image: bytes) -> bytes:
    """The key of an image file: its SHA-256, so that nobody can make two images of one key.

    A large one on a thread: 10 MB take 6 ms or more.
    """
    return await off_loop_if_large(image, _digest, image)


def _digest(image: bytes) -> bytes:
    return hashlib.sha256(image).digest()
