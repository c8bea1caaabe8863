"""Versions as tables for a person."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from cli import printable
from models.manifest import Interval, Manifest, Metrics
from models.version import Version

if TYPE_CHECKING:
    from records.routing import Decision


def version_tables(version: Version, signature: str) -> Iterator[Table]:
    """A manifest as one table, and its metrics by class as another.

    ``signature``: who signed it, in words.
    """
    manifest = version.manifest
    table = Table(title=version.tag, box=None, show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _facts(manifest):
        table.add_row(name, value)
    table.add_row("manifest", _manifest_state(version))
    table.add_row("signature", signature)
    table.add_row("files", str(version.path))
    yield table
    if manifest.metrics is not None:
        yield _classes(manifest.metrics)


def comparison_table(first: Version, second: Version) -> Table:
    """Two versions side by side, with the differences of their metrics."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("", first.tag, second.tag, "DIFFERENCE"):
        table.add_column(column)
    left, right = first.manifest, second.manifest
    for (name, before), (_, after) in zip(_facts(left), _facts(right), strict=True):
        table.add_row(name, before, after, "" if before == after else "differs")
    if left.metrics is not None and right.metrics is not None:
        for name, old, new in _metrics(left.metrics, right.metrics):
            table.add_row(name, f"{old:.4f}", f"{new:.4f}", f"{new - old:+.4f}")
    return table


def history_table(decisions: Sequence["Decision"]) -> Table:
    """One row per decision."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("AT (UTC)", "WHAT", "CHAMPION", "BEFORE"):
        table.add_column(column, no_wrap=True)
    for column in ("BY", "BECAUSE"):
        table.add_column(column, overflow="fold")
    for one in decisions:
        table.add_row(
            f"{one.at:%Y-%m-%d %H:%M:%S}",
            decision_text(one),
            one.after or "",
            one.before or "",
            printable(one.actor),
            printable(one.because),
        )
    return table


def decision_text(decision: "Decision") -> str:
    """What was done, such as ``rollout 3: canary 25%``."""
    if decision.rollout_id is None:
        return decision.action
    stage, share = decision.numbers.get("stage"), decision.numbers.get("share")
    what = f"{stage} {share:.0%}" if stage and isinstance(share, float) and share else stage
    return f"rollout {decision.rollout_id}: {what or decision.action}"


def _facts(manifest: Manifest) -> list[tuple[str, str]]:
    data, parity, speed = manifest.data, manifest.parity, manifest.speed
    return [
        ("created (UTC)", f"{manifest.created_at:%Y-%m-%d %H:%M:%S}"),
        ("estimator", manifest.estimator),
        ("recipe", manifest.recipe or "-"),
        ("parameters", ", ".join(f"{k}={v}" for k, v in manifest.parameters.items()) or "-"),
        ("image spec", manifest.image_spec.name + _extractor(manifest)),
        ("labels", ", ".join(map(str, manifest.labels))),
        ("output", manifest.output),
        ("backend", manifest.backend),
        ("data", f"{data.name}, {data.images} images, {data.sha256[:12]}" if data else "-"),
        ("source", printable(str(manifest.source or "-"))),
        ("accuracy", _interval(manifest.metrics.accuracy) if manifest.metrics else "-"),
        ("calibration", _calibration(manifest)),
        ("prediction sets", _sets(manifest)),
        ("known images", _known(manifest)),
        (
            "parity",
            f"{parity.disagreements} of {parity.images} labels differ, "
            f"largest difference {parity.max_difference:.1e}"
            if parity
            else "-",
        ),
        (
            "speed",
            f"{speed.batch_1:.1f}, {speed.batch_32:.1f} and {speed.batch_128:.1f} times that of "
            "scikit-learn for 1, 32 and 128 images"
            if speed
            else "-",
        ),
        ("parent", manifest.parent or "-"),
        ("content", manifest.content[:12] or "-"),
    ]


def _extractor(manifest: Manifest) -> str:
    """What stands before the classifier of photos, and how many copies it was trained on."""
    used = manifest.extractor
    if used is None:
        return ""
    copies = f", and {manifest.augmented} copies of each image" if manifest.augmented else ""
    return f"; {used.dimension:,} numbers by {used.name}:{used.version}{copies}"


def _calibration(manifest: Manifest) -> str:
    found = manifest.calibration
    if not manifest.gives_probabilities:
        return "gives no probabilities"
    if found is None:
        return "not calibrated"
    return f"{found.method}, {found.folds} folds of {found.images:,} images"


def _sets(manifest: Manifest) -> str:
    """What coverages it states, and from which probability on a label is in a set."""
    honesty = manifest.honesty
    if honesty is None or not honesty.images:
        return "none: no labelled images were held out"
    above = ", ".join(f"{c}: {p:.4f}" for c, p in honesty.thresholds.items())
    text = f"by {honesty.images:,} images; labels from a probability of ({above or 'too few'})"
    return text if manifest.abstain is None else f"{text}; abstains by {manifest.abstain:g}"


def _known(manifest: Manifest) -> str:
    honesty = manifest.honesty
    if honesty is None or honesty.compares is None:
        return "cannot be told from others"
    limits = ", ".join(f"{float(s):.0%} beyond {d:.3g}" for s, d in honesty.limits.items())
    return (
        f"distance of {honesty.compares} to the nearest of {honesty.neighbours:,} images: of "
        f"{honesty.compared:,} others {limits or 'too few to tell'}"
    )


def _manifest_state(version: Version) -> str:
    """Whether it was changed, as far as that can be seen."""
    content = version.manifest.content
    if not content:
        return "has no SHA-256 of its content, so a change of it would not be noticed"
    return "as saved" if content == version.artifact.content else "ALTERED: not served"


def _metrics(left: Metrics, right: Metrics) -> Iterator[tuple[str, float, float]]:
    yield "accuracy", left.accuracy.value, right.accuracy.value
    if left.log_loss is not None and right.log_loss is not None:
        yield "log-loss", left.log_loss, right.log_loss
    if left.calibration_error is not None and right.calibration_error is not None:
        yield "calibration error", left.calibration_error, right.calibration_error
    recalls = {row.label: row.recall for row in right.classes}
    for row in left.classes:
        if row.label in recalls:
            yield f"recall of {row.label}", row.recall, recalls[row.label]


def _classes(metrics: Metrics) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("CLASS", "IMAGES", "PRECISION", "RECALL", "F1"):
        table.add_column(column, justify="left" if column == "CLASS" else "right")
    for row in metrics.classes:
        table.add_row(
            str(row.label),
            str(row.images),
            f"{row.precision:.3f}",
            f"{row.recall:.3f}",
            f"{row.f1:.3f}",
        )
    return table


def _interval(interval: Interval) -> str:
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"
