"""What is kept of answers, and what goes first."""

import hashlib

import numpy as np

from serving.inference.answers import Answers, key_of
from serving.inference.batcher import Answer
from serving.offloop import LARGE_BYTES


def answer(index: int) -> Answer:
    return Answer(np.array([0.25, 0.75], np.float32), index)


def kept(*keys: bytes, limit: int) -> Answers:
    answers = Answers(limit)
    for index, key in enumerate(keys):
        answers.keep(key, answer(index), np.array([index], np.float32))
    return answers


def test_the_least_recently_used_goes_first() -> None:
    answers = kept(b"a", b"b", limit=2)
    assert answers.get(b"a") is not None
    answers.keep(b"c", answer(2), np.zeros(1, np.float32))
    assert answers.get(b"b") is None
    assert answers.get(b"a") is not None
    assert len(answers) == 2


def test_the_same_key_takes_one_place() -> None:
    answers = kept(b"a", b"a", b"b", limit=2)
    given = answers.get(b"a")
    assert given is not None
    assert given.answer.label_index == 1
    assert len(answers) == 2


def test_the_batch_that_an_answer_is_part_of_is_not_kept() -> None:
    batch = np.zeros((64, 2), np.float32)
    answers = Answers(1)
    answers.keep(b"a", Answer(batch[3], 0), batch[3])
    given = answers.get(b"a")
    assert given is not None
    assert given.answer.scores.base is None
    assert given.embedding.base is None


async def test_the_key_is_of_all_bytes_whatever_their_number() -> None:
    for size in (1, LARGE_BYTES + 1):
        image = b"x" * size
        assert await key_of(image) == hashlib.sha256(image).digest()
        assert await key_of(image[:-1] + b"y") != await key_of(image)
