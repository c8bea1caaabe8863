"""The result of a training as tables on the terminal."""

from collections.abc import Sequence
from textwrap import wrap

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import counted, printable
from models.manifest import Metrics
from train.dataset import Skipped
from train.drawing import shortened
from train.verdict import baseline

LISTED = 20

_LABEL_WIDTH = 24


def print_report(
    console: Console,
    metrics: Metrics,
    skipped: Sequence[Skipped] = (),
    findings: Sequence[str] = (),
) -> None:
    """Print accuracy, log-loss, calibration error, the metrics of each class, what is poor about
    the version, and skipped files.

    Fits 80 columns; without a terminal, prints plain text without lines or colors.
    """
    console.print(_summary(metrics))
    console.print()
    console.print(_classes(metrics, console))
    for finding in findings:
        lines = wrap(f"Note: {printable(finding)}", console.width)
        console.print(Text("\n".join(["", *lines]), style="yellow"))
    if skipped:
        _print_skipped(console, skipped)


def _summary(metrics: Metrics) -> Text:
    accuracy = metrics.accuracy
    figures = {
        "accuracy": f"{accuracy.value:.1%} on {counted(metrics.images, 'held-out image')} "
        f"(95 % interval {accuracy.low:.1%} to {accuracy.high:.1%})"
    }
    label, share = baseline(metrics)
    name = shortened(label, _LABEL_WIDTH)
    figures["baseline"] = f"{share:.1%} by guessing the largest class, {name}"
    if metrics.log_loss is not None:
        figures["log-loss"] = f"{metrics.log_loss:.4f}"
    if metrics.calibration_error is not None:
        figures["calibration error"] = f"{metrics.calibration_error:.4f}"
    lines = [Text.assemble((f"{name:<19}", "bold"), value) for name, value in figures.items()]
    return Text("\n").join(lines)


def _classes(metrics: Metrics, console: Console) -> Table:
    # FPR: proportion of the other classes' images predicted as this class; FNR: of this class's
    # images predicted as another.
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    table.add_column("class", max_width=_LABEL_WIDTH, no_wrap=True, overflow="ellipsis")
    for heading in ("images", "precision", "recall", "F1", "FPR", "FNR"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in metrics.classes:
        rates = (
            entry.precision,
            entry.recall,
            entry.f1,
            entry.false_positive_rate,
            entry.false_negative_rate,
        )
        table.add_row(
            Text(printable(str(entry.label))),
            f"{entry.images:,}",
            *(f"{rate:.1%}" for rate in rates),
        )
    return table


def _print_skipped(console: Console, skipped: Sequence[Skipped]) -> None:
    files = "file was" if len(skipped) == 1 else "files were"
    console.print(Text(f"\n{len(skipped):,} {files} skipped:", style="yellow"))
    for entry in skipped[:LISTED]:
        console.print(Text(printable(f"  {entry.path}: {entry.reason}")), soft_wrap=True)
    if len(skipped) > LISTED:
        console.print(f"  and {len(skipped) - LISTED:,} more")
