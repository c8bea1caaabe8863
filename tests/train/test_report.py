import io

import numpy as np
from rich.console import Console

from models.manifest import Label
from train.dataset import Skipped
from train.evaluate import evaluate
from train.report import print_report


def printed(
    labels: tuple[Label, ...] = ("cat", "dog"),
    skipped: tuple[Skipped, ...] = (),
    *,
    findings: tuple[str, ...] = (),
    terminal: bool = False,
) -> str:
    truth = np.arange(20) % len(labels)
    probabilities = np.full((20, len(labels)), 0.1 / (len(labels) - 1))
    probabilities[np.arange(20), truth] = 0.9
    probabilities[0] = np.roll(probabilities[0], 1)
    console = Console(file=io.StringIO(), width=80, force_terminal=terminal)
    print_report(console, evaluate(labels, truth, probabilities), skipped, findings)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_accuracy_with_its_interval() -> None:
    # 19 of 20: the Wilson interval is 0.764 to 0.991.
    assert "95.0% on 20 held-out images (95 % interval 76.4% to 99.1%)" in printed()


def test_a_class_has_one_line_with_its_rates() -> None:
    # A cat was taken for a dog: 9 of 10 cats found, 10 of 11 dogs right.
    lines = [line.split() for line in printed().splitlines()]
    assert ["class", "images", "precision", "recall", "F1", "FPR", "FNR"] in lines
    assert ["cat", "10", "100.0%", "90.0%", "94.7%", "0.0%", "10.0%"] in lines
    assert ["dog", "10", "90.9%", "100.0%", "95.2%", "10.0%", "0.0%"] in lines


def test_log_loss_and_calibration_error() -> None:
    text = printed()
    assert "log-loss           0.2152" in text
    assert "calibration error  0.0500" in text


def test_the_baseline_is_beside_the_accuracy() -> None:
    assert "baseline           50.0% by guessing the largest class, cat" in printed()


def test_what_is_poor_is_told() -> None:
    text = printed(findings=("It is no better than guessing.",))
    assert "\nNote: It is no better than guessing.\n" in text


def test_it_fits_eighty_columns() -> None:
    text = printed(("a very long name of a class that goes on and on", "[bold]x", "猫" * 30))
    assert max(map(len, text.splitlines())) <= 80


def test_labels_are_no_markup() -> None:
    assert "[bold]x" in printed(("[bold]x", "b"))


def test_plain_without_a_terminal() -> None:
    assert printed().isascii()
    assert "\x1b" in printed(terminal=True)


def test_skipped_files_are_counted_and_listed() -> None:
    text = printed(skipped=(Skipped("cat/[x].png", "not an image"),))
    assert "1 file was skipped:\n  cat/[x].png: not an image\n" in text


def test_no_more_than_twenty_skipped_files_are_listed() -> None:
    text = printed(skipped=tuple(Skipped(f"{number}.png", "broken") for number in range(25)))
    assert "25 files were skipped:" in text
    assert "  19.png: broken" in text
    assert "20.png" not in text
    assert "and 5 more" in text


def test_a_file_name_cannot_move_the_cursor() -> None:
    assert "\x1b" not in printed(skipped=(Skipped("\x1b[2Jx.png", "broken"),))
