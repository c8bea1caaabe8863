"""Which requests of a rollout are the challenger's."""

import logging
import subprocess
import sys

import pytest

from serving.routing.sides import Sides

IDS = [f"request-{number}" for number in range(20_000)]


def part(sides: Sides, ids: list[str], share: float, image: bytes = b"image") -> float:
    return sum(sides.is_challengers(id_, image, share) for id_ in ids) / len(ids)


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_the_share_is_what_was_decided(share: float) -> None:
    # Four standard deviations.
    assert part(Sides("clf", 1), IDS, share) == pytest.approx(share, abs=0.015)


def test_numbers_in_a_row_too() -> None:
    sides = Sides("clf", 1)
    got = sum(sides.is_challengers(number, b"", 0.05) for number in range(20_000)) / 20_000
    assert got == pytest.approx(0.05, abs=0.007)


def test_an_id_stays_on_its_side_while_the_share_grows() -> None:
    sides = Sides("clf", 7)
    chosen = [
        {id_ for id_ in IDS if sides.is_challengers(id_, b"", share)} for share in (0.05, 0.25, 0.5)
    ]
    assert chosen[0] < chosen[1] < chosen[2]


def test_nothing_at_no_share_and_all_at_all() -> None:
    sides = Sides("clf", 1)
    assert part(sides, IDS[:1000], 0.0) == 0
    assert part(sides, IDS[:1000], 1.0) == 1


def test_two_rollouts_begin_with_other_requests() -> None:
    one, two = (
        {id_ for id_ in IDS if Sides("clf", number).is_challengers(id_, b"", 0.25)}
        for number in (1, 2)
    )
    assert len(one & two) / len(IDS) == pytest.approx(0.25**2, abs=0.01)


def test_another_process_agrees() -> None:
    """Python's own hash would differ."""
    sides = Sides("clf", 1)
    mine = [sides.is_challengers(id_, b"", 0.5) for id_ in IDS[:50]]
    code = (
        "from serving.routing.sides import Sides\n"
        "sides = Sides('clf', 1)\n"
        "print([sides.is_challengers(f'request-{n}', b'', 0.5) for n in range(50)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(mine)


@pytest.mark.parametrize("request_id", ["1", 1, "", "a\ud800", None])
def test_an_id_that_comes_with_every_image(
    request_id: str | int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """By the id alone, the challenger would answer all or none of them."""
    sides = Sides("clf", 1)
    with caplog.at_level(logging.WARNING):
        got = [
            sides.is_challengers(request_id, number.to_bytes(8, "big"), 0.25)
            for number in range(8000)
        ]
    assert sum(got) / len(got) == pytest.approx(0.25, abs=0.03)
    assert caplog.text.count("comes again and again") == 1


def test_one_id_with_one_image() -> None:
    """A load test: chance alone is left."""
    assert part(Sides("clf", 1), ["1"] * 8000, 0.05) == pytest.approx(0.05, abs=0.02)


def test_a_dozen_clients_with_an_id_each() -> None:
    sides = Sides("clf", 1)
    got = [
        sides.is_challengers(f"client-{number % 12}", number.to_bytes(8, "big"), 0.25)
        for number in range(12_000)
    ]
    assert sum(got) / len(got) == pytest.approx(0.25, abs=0.03)


def test_ids_that_come_back_now_and_then_stay_where_they_are() -> None:
    sides = Sides("clf", 1)
    once = [sides.is_challengers(id_, b"one", 0.25) for id_ in IDS[:5000]]
    again = [sides.is_challengers(id_, b"other", 0.25) for id_ in IDS[:5000]]
    assert once == again


def test_what_is_remembered_is_bounded() -> None:
    sides = Sides("clf", 1)
    for id_ in IDS:
        sides.is_challengers(id_, b"", 0.5)
    assert len(sides._often._counts) <= 64
