"""The screen, from events that are given."""

import io

import pytest
from rich.console import Console

from demo.screen import Lines, board
from tests.demo.views import BEGAN, END, told


def drawn(width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(board(told(), BEGAN + END))
    return capture.get()


def test_the_board_shows_what_happened_and_what_is_in_fast_forward() -> None:
    text = drawn()
    for shown in (
        "accuracy",
        "96.8%",
        "retrained by the loop 100%",
        "p50 5.0 ms, p99 8.0 ms",
        "300 random, 20 monitor, 40 rollout",
        "failed: 0",
        "0:15 somebody knocks the camera",
        "1:15 rolled back: of 31 images",
        "PUPILA_GUARD_REQUESTS",
        "500",
    ):
        assert shown in text


def test_the_board_fits_into_its_width() -> None:
    assert max(map(len, drawn(110).splitlines())) == 110


def test_lines_tell_each_event_once(capsys: pytest.CaptureFixture[str]) -> None:
    view, lines = told(), Lines()
    lines.show(view)
    lines.show(view)
    output = capsys.readouterr().out
    assert output.count("somebody knocks the camera") == 1
    assert "fast-forward: PUPILA_GUARD_MINUTES is 0.1, in production 10.0" in output
    assert "accuracy 96.8%; retrained by the loop 100%; p50 5.0 ms" in output
