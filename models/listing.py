"""Versions as lines for a person: hundreds of them in milliseconds, where Rich takes one each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from models.version import Version

if TYPE_CHECKING:
    from records.routing import Rollout

_GAP = "  "


def version_lines(
    versions: Sequence[Version],
    aliases: Mapping[str, str],
    rollouts: Mapping[str, "Rollout"],
) -> Iterator[str]:
    """A heading, and one line per version; ``aliases`` and ``rollouts`` by tag, the latter of
    challengers. Those that abstain have a mark, which lines below explain: a column of its own
    would not fit a terminal of 80 columns."""
    trials = ("ROLLOUT",) if rollouts else ()
    head = ("TAG", "ALIAS", *trials, "CREATED (UTC)", "FROM", "IMAGE SPEC", "ACCURACY")
    coverages = {one.manifest.abstain for one in versions if one.manifest.abstain is not None}
    marks = {coverage: "*" * place for place, coverage in enumerate(sorted(coverages), 1)}
    rows = [_row(one, aliases.get(one.tag, ""), rollouts, marks) for one in versions]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    # As wide as a champion needs, also where none is listed.
    widths[1] = max(widths[1], len("champion"))
    yield click.style(_line(head, widths), bold=True)
    for row in rows:
        yield _line(row, widths)
    for coverage, mark in marks.items():
        yield f"{mark} abstains by {coverage:g}"


def rollout_text(rollout: "Rollout") -> str:
    """Its stage and the proportion of the requests that it gets, such as ``canary 25%``."""
    proportion = rollout.shadow if rollout.stage == "shadow" else rollout.share
    return f"{rollout.stage} {proportion:.0%}{', paused' if rollout.paused else ''}"


def _row(
    version: Version, alias: str, rollouts: Mapping[str, "Rollout"], marks: Mapping[float, str]
) -> tuple[str, ...]:
    manifest, rollout = version.manifest, rollouts.get(version.tag)
    mark = "" if manifest.abstain is None else marks[manifest.abstain]
    return (
        version.tag,
        alias,
        *([rollout_text(rollout) if rollout else ""] if rollouts else []),
        f"{manifest.created_at:%Y-%m-%d %H:%M}",
        (manifest.recipe or f"{manifest.estimator} (imported)") + mark,
        manifest.image_spec.name,
        f"{manifest.metrics.accuracy.value:.3f}" if manifest.metrics else "-",
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    *texts, number = cells
    *left, last = widths
    padded = [text.ljust(width) for text, width in zip(texts, left, strict=True)]
    return _GAP.join([*padded, number.rjust(last)])
