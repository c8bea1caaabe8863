"""What a challenger costs that is on the champion's extractor, with every image classified by both.

    python -m bench.photo_shadow [--rounds 9] [--seconds 5] [--material FOLDER]

As ``bench.trying``: one server, in turns with the rollout and without, 8 clients, photos of 30 KB.
The shadow has all images, and all the time that it asks for. Linux only.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import click

from bench.machine import heading
from bench.photo_servers import make_material
from bench.process import ROOT
from bench.table import markdown
from bench.trying import Decided, measure, rate
from models.store import Store

MOST = 1.1
CONNECTIONS = 8


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--rounds", default=9, type=click.IntRange(1))
@click.option("--seconds", default=5.0, type=click.FloatRange(0.1))
@click.option(
    "--material",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="A folder that bench.photo_material has filled.",
)
@click.option(
    "--output", default=ROOT / "bench" / "photo_shadow.md", type=click.Path(path_type=Path)
)
def main(rounds: int, seconds: float, material: Path | None, output: Path) -> None:
    """Compare a server with everything in the shadow and without."""
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        home = material or make_material(Path(folder))
        challenger, champion = Store(home / "home" / "models").versions("clf")[-2:]
        found, _ = measure(
            home / "home",
            champion,
            challenger,
            home / "30 KB.json",
            Decided("shadow", 0.0, 1.0),
            rounds=rounds,
            seconds=seconds,
            connections=CONNECTIONS,
            shadow_cpu=1,
            cached_answers=0,
            record_per_minute=10_000,
        )
    cpu = [
        (tried.server_cpu_seconds / max(1, tried.right))
        / (without.server_cpu_seconds / max(1, without.right))
        for tried, without in found
    ]
    rates = [rate(without) / max(rate(tried), 1e-9) for tried, without in found]
    wrong = sum(result.wrong + result.refused + result.lost for pair in found for result in pair)
    rows = [
        [name, f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}"]
        for name, ratios in (("processor time a request", cpu), ("time a request", rates))
    ]
    for row in rows:
        row.append("pass" if float(row[1]) <= MOST else "miss")
    text = (
        heading(
            "A challenger on the champion's extractor",
            ["python -m bench.photo_shadow", *sys.argv[1:]],
        )
        + f"\nMedians of {rounds} rounds' ratios; not right: {wrong}.\n\n"
        + markdown(("all in the shadow / without", "", "from, to", f"≤ {MOST}"), rows)
        + "\n"
    )
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.photo_shadow")
