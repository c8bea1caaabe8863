"""Tables in Markdown, which also read well in a terminal."""

from collections.abc import Sequence

from bench.claims import Claim
from bench.measurement import Measurements, Stage, distinct

HEAD = ("", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "memory MiB", "not right", "of")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of one width; all but the first are set right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        return f"| {' | '.join((cells[0].ljust(widths[0]), *rest))} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(head), line(rule), *map(line, rows)])


def stage_table(found: Measurements, model: str, stage: Stage, titles: dict[str, str]) -> str:
    """A row for each server: medians over the rounds, and all answers that were not right."""
    rows = []
    for server in distinct(one.server for one in found):
        chosen = found.of(model, server, stage)
        if not chosen:
            continue
        wrong = sum(one.wrong for one in chosen)
        rows.append(
            [
                titles.get(server, server),
                number(chosen.median("rate")),
                number(chosen.median("p50_ms")),
                number(chosen.median("p99_ms")),
                number(chosen.median("cpu_us")),
                number(chosen.median("memory_mib") or None),
                f"{wrong:,}",
                f"{wrong + sum(one.right for one in chosen):,}",
            ]
        )
    return markdown(HEAD, rows)


def claim_table(claims: Sequence[Claim]) -> str:
    rows = [
        [
            claim.model,
            claim.text,
            number(claim.value),
            f"{claim.side} {claim.target:g}" if claim.target is not None else "–",
            claim.verdict,
        ]
        for claim in claims
    ]
    return markdown(("model", "Pupila's …", "measured", "target", ""), rows)


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
