"""What a rollout costs a server: with a challenger on trial, and without, in turns.

    python -m bench.trying [--rounds 9] [--seconds 3] [--share 0.05] [--shadow 0.1]

One server, one worker, as many requests as 32 clients can make. The challenger is the champion's
equal, so that every answer can be checked. Ratios are taken within a round. Linux only.
"""

import base64
import json
import statistics
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bench.challengers import WHO, Drafts, Trying
from bench.machine import heading
from bench.material import digits
from bench.plan import Plan, Result, run
from bench.process import ROOT
from bench.table import markdown
from models.store import Store
from models.version import Version
from records.database import Database
from records.rollouts import finish, move, running, start
from records.routing import Stage
from settings import Settings
from tests.servers import serve
from tests.waiting import until

CONNECTIONS = 32
LEAST = 0.85


def images(drafts: Drafts, file: Path) -> None:
    """Pairs of base64 and the champion's label."""
    labels = (drafts.features @ drafts.weights + drafts.bias).argmax(1)
    pairs = [
        [base64.b64encode(content).decode(), int(label)]
        for content, label in zip(digits(), labels, strict=True)
    ]
    file.write_text(json.dumps(pairs))


def rate(result: Result) -> float:
    return result.right / result.seconds


@dataclass(frozen=True)
class Decided:
    """A rollout to measure: its stage, who answers what share, and how many images are paired."""

    stage: Stage
    share: float
    shadow: float


def measure(
    home: Path,
    champion: Version,
    challenger: Version,
    images: Path,
    decided: Decided,
    *,
    rounds: int,
    seconds: float,
    connections: int = CONNECTIONS,
    **settings: Any,
) -> tuple[list[tuple[Result, Result]], dict[str, int]]:
    """For each round the result with a rollout and without, in turns, and what became of the
    challenger's share. ``home``: its store has both versions; ``settings``: of the server."""
    found: list[tuple[Result, Result]] = []
    database = Database.of(Settings(home=home / "pupila"), create=True)
    database.prepare()
    with closing(database), serve(home, workers=1, deadline_ms=1000, **settings) as server:
        until(lambda: server.get("/readyz").status_code == 200, "ready")
        trying = Trying(server, database, champion)
        plan = Plan(
            port=trying.port,
            dialect="fields",
            images=str(images),
            connections=connections,
            seconds=seconds,
            warm=1.0,
            root=server.process.pid,
            mark="",
        )

        def with_rollout() -> Result:
            begun = start(
                database,
                "clf",
                challenger.version,
                answering=champion.version,
                shadow=decided.shadow,
                rule={},
                **WHO,
            )
            if decided.stage == "canary":
                move(database, begun, decided.stage, decided.share, **WHO)
            until(lambda: trying.followed, "the worker follows")
            result = run(plan)
            finish(database, running(database, "clf"), "abort", **WHO)
            until(lambda: trying.followed, "the worker follows")
            return result

        for number in range(rounds):
            if number % 2:
                without = run(plan)
                found.append((with_rollout(), without))
            else:
                tried = with_rollout()
                found.append((tried, run(plan)))
            click.echo([f"{rate(one):,.0f}" for one in found[-1]], err=True)
        return found, trying.attempts(challenger)


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--rounds", default=9, type=click.IntRange(1))
@click.option("--seconds", default=3.0, type=click.FloatRange(0.1))
@click.option("--share", default=0.05, type=click.FloatRange(0, 1))
@click.option("--shadow", default=0.1, type=click.FloatRange(0, 1))
@click.option("--output", default=ROOT / "bench" / "trying.md", type=click.Path(path_type=Path))
def main(rounds: int, seconds: float, share: float, shadow: float, output: Path) -> None:
    """Compare a server with a rollout and without."""
    drafts = Drafts()
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        home = Path(folder)
        store = Store(home / "models")
        challenger = store.save(drafts.champion())
        champion = store.save(drafts.champion())
        images(drafts, home / "images.json")
        found, attempts = measure(
            home,
            champion,
            challenger,
            home / "images.json",
            Decided("canary", share, shadow),
            rounds=rounds,
            seconds=seconds,
        )
    ratios = [rate(tried) / rate(without) for tried, without in found]
    cpu = [
        (tried.server_cpu_seconds / tried.right) / (without.server_cpu_seconds / without.right)
        for tried, without in found
    ]
    rows = [
        [
            f"share {share:g}, shadow {shadow:g}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            f"{statistics.median(cpu):.2f}",
            str(sum(result.wrong for pair in found for result in pair)),
            "pass" if statistics.median(ratios) >= LEAST else "miss",
        ]
    ]
    head = (
        "with a rollout / without",
        "requests/s",
        "from, to",
        "CPU/request",
        "not right",
        f"≥ {LEAST}",
    )
    text = (
        heading("What a rollout costs", ["python -m bench.trying", *sys.argv[1:]])
        + f"\nMedians of {rounds} rounds' ratios; {CONNECTIONS} clients, one worker. What became "
        f"of the challenger's share: {attempts}.\n\n" + markdown(head, rows) + "\n"
    )
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.trying")
