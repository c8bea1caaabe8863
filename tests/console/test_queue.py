"""What is labelled next: not one scene twenty times."""

from datetime import UTC, datetime
from typing import get_args

import numpy as np

from console.queue import SHARES, spread
from records.candidates import Candidate, Why

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


def place(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def candidate(number: int, probabilities: bytes | None, why: Why = "unsure") -> Candidate:
    return Candidate(number, f"r{number}", NOW, 1, 0.5, probabilities, why)


def ids(found: list[Candidate]) -> list[int]:
    return [one.id for one in found]


def test_those_that_are_alike_come_last() -> None:
    same = [candidate(number, place(0.5, 0.5)) for number in (1, 2, 3)]
    other = candidate(4, place(0.9, 0.1))
    assert ids(spread([*same, other])) == [1, 4, 2, 3]


def test_a_model_without_probabilities_has_no_places() -> None:
    assert ids(spread([candidate(1, None), candidate(2, None)])) == [1, 2]


def test_probabilities_that_are_none_do_no_harm() -> None:
    odd = [candidate(1, place(float("nan"), 2.0)), candidate(2, b"abc"), candidate(3, place(1.0))]
    assert sorted(ids(spread(odd))) == [1, 2, 3]


def test_every_reason_has_a_place_in_the_queue() -> None:

    assert set(SHARES) == set(get_args(Why))
