"""Which worker has more clients than its part, by workers' halves of one file."""

from pathlib import Path

import pytest

from serving.http.balance import Balance


def told(folder: Path, *clients: int) -> list[Balance]:
    """Workers from 1 on, each of which has told twice how many clients it has."""
    workers = range(1, len(clients) + 1)
    balances = [Balance(folder, number, len(clients)) for number in workers]
    for _ in range(2):
        for number, balance in zip(workers, balances, strict=True):
            balance.tell(clients[number - 1], [other for other in workers if other != number])
    return balances


@pytest.mark.parametrize(
    ("clients", "surpluses"),
    [
        ((10, 6), [2, 0]),
        ((9, 7), [1, 0]),
        ((8, 8), [0, 0]),
        ((9, 8), [0, 0]),
        ((2, 0), [1, 0]),
        ((1, 0), [0, 0]),
        ((0, 0), [0, 0]),
        # Of 32 and 28, a part is 30: by so little they differ by chance.
        ((32, 28), [0, 0]),
        # Those that have more give away no more than the last one's part, together.
        ((16, 16, 16, 0), [4, 4, 4, 0]),
        ((6, 5, 5), [0, 0, 0]),
    ],
)
def test_who_has_more_than_its_part_may_give_it_away(
    tmp_path: Path, clients: tuple[int, ...], surpluses: list[int]
) -> None:
    assert [balance.surplus for balance in told(tmp_path, *clients)] == surpluses


def test_each_client_goes_to_the_one_that_has_the_fewest_by_then(tmp_path: Path) -> None:
    first, *_ = told(tmp_path, 12, 4, 2)
    given = []
    while first.surplus and (number := first.choose([2, 3])) is not None:
        first.gave(number)
        given.append(number)
    assert given == [3, 3, 2, 3, 2, 3]


def test_nobody_gives_one_that_another_has_given_meanwhile(tmp_path: Path) -> None:
    first, second, third = told(tmp_path, 4, 4, 1)
    assert first.choose([2, 3]) == 3
    first.gave(3)
    assert second.choose([1, 3]) == 3
    second.gave(3)
    assert third.surplus == 0
    assert first.choose([2, 3]) is None


def test_one_that_takes_none_has_no_part(tmp_path: Path) -> None:
    first, _ = told(tmp_path, 10, 0)
    first.tell(10, [])
    assert first.surplus == 0
    assert first.choose([]) is None


def test_who_takes_a_worker_s_place_begins_with_none(tmp_path: Path) -> None:
    first, second = told(tmp_path, 4, 4)
    second.tell(4, [1])
    Balance(tmp_path, 2, 2)
    first.tell(4, [2])
    assert first.surplus == 2


def test_one_that_hangs_gets_none(tmp_path: Path) -> None:
    first, second = told(tmp_path, 10, 6)
    first.tell(10, [2])
    first.tell(10, [2])
    assert first.surplus == 0
    assert first.choose([2]) is None
    second.tell(6, [1])
    first.tell(10, [2])
    assert first.surplus == 2
    assert first.choose([2]) == 2
