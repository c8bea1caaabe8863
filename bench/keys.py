"""What a key costs a request, and what wrong keys cost everybody else.

    python -m bench.keys [--rounds 5]

The gate is timed alone in this process, beside the whole request of a server with and without keys,
which take turns. Then one client sends wrong keys as fast as they are refused, while another asks
with a good one, and goes first where a processor is short: of two clients here, each stands for one
on a machine of its own. Linux only.
"""

import contextlib
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from bench.machine import heading
from bench.measurement import best_microseconds
from bench.plan import Result, run
from bench.process import ROOT
from bench.runner import Runner, make_material, start
from bench.table import markdown
from bench.variants import variant
from records.database import Database
from records.key import Key, digest_of, new_secret
from records.keys import create
from serving.keys.gate import Gate
from serving.keys.keyring import Keyring

MODEL = "logistic"
KEYS = 1000
EACH = 1000
CONNECTIONS = 32
MANY = 512
# Of what the server can answer: what a good client asks, so that it does not wait for itself.
GOOD_SHARE = 0.1
# How often workers look for new keys, and a little more.
LIVE_SECONDS = 2.5

HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"python-requests/2.32.3"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept", b"*/*"),
    (b"content-type", b"application/json"),
    (b"content-length", b"612"),
]


def made(name: str) -> tuple[str, Key]:
    secret = new_secret()
    digest = digest_of(secret.encode()) or b""
    limits = {"rate": 1e6, "daily": 10**12}
    return secret, Key(name, digest, ("predict",), datetime.now(UTC), **limits)  # type: ignore[arg-type]


def gates() -> list[tuple[str, float]]:
    """Microseconds of the gate alone."""
    pairs = [made(f"key-{number}") for number in range(KEYS)]
    ring = Keyring()
    ring.replace([key for _, key in pairs])
    closed, opened = Gate(ring), Gate(Keyring())

    def timed(gate: Gate, secret: str | None) -> float:
        headers = list(HEADERS)
        if secret is not None:
            headers.append((b"authorization", f"Bearer {secret}".encode()))
        scope = {"type": "http", "method": "POST", "path": "/predict/", "headers": headers}
        return best_microseconds(lambda: [gate(scope) for _ in range(EACH)]) / EACH

    return [
        ("no keys on the server", timed(opened, None)),
        (f"a good key of {KEYS:,}, with a rate and a day", timed(closed, pairs[500][0])),
        ("a wrong key, refused", timed(closed, new_secret())),
        ("no key, refused", timed(closed, None)),
    ]


def cost(runner: Runner, secret: str, seconds: float) -> float:
    """Microseconds of processor time a request."""
    runner.tree.thaw()
    result = run(replace(runner.plan(CONNECTIONS, seconds, warm=0.5), secret=secret))
    runner.tree.freeze()
    return result.server_cpu_seconds / max(result.right, 1) * 1e6


def beside(
    runner: Runner, secret: str, rate: float, wrong: int, seconds: float
) -> tuple[Result, float]:
    """What a good client gets that asks at the rate, while another has so many connections with
    wrong keys; and how many of these are refused a second."""
    good = replace(runner.plan(CONNECTIONS, seconds, rate=rate), secret=secret)
    if not wrong:
        return run(good), 0.0
    bad = replace(runner.plan(wrong, seconds + 1), secret=new_secret(), yields=True)
    with ThreadPoolExecutor(1) as pool:
        attack = pool.submit(run, bad)
        result, attacked = run(good), attack.result()
    return result, attacked.wrong / attacked.seconds


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--rounds", default=5, type=click.IntRange(1))
@click.option("--seconds", default=2.0, type=click.FloatRange(0.5), help="Of each measurement.")
@click.option("--output", default=ROOT / "bench" / "keys.md", type=click.Path(path_type=Path))
def main(rounds: int, seconds: float, output: Path) -> None:
    """Say what keys cost."""
    timed = gates()
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        home = make_material(MODEL, Path(folder))
        with contextlib.ExitStack() as stack:
            opened = stack.enter_context(start(variant("open"), home))
            opened.tree.freeze()
            keyed = stack.enter_context(start(variant("keyed"), home))
            secret, key = made("bench")
            with Database(f"sqlite:///{home}/keyed/records.db", create=True) as database:
                database.prepare()
                create(database, key)
            time.sleep(LIVE_SECONDS)
            keyed.tree.freeze()
            costs = [
                (cost(opened, "", seconds), cost(keyed, secret, seconds)) for _ in range(rounds)
            ]
            keyed.tree.thaw()
            peak = run(replace(keyed.plan(CONNECTIONS, seconds, warm=0.5), secret=secret))
            good = GOOD_SHARE * peak.right / peak.seconds
            # Round by round: alone, beside an attacker with few connections, and with many.
            found = [
                [beside(keyed, secret, good, wrong, seconds) for wrong in (0, CONNECTIONS, MANY)]
                for _ in range(rounds)
            ]
    whole = [statistics.median(column) for column in zip(*costs, strict=True)]
    ratio = statistics.median(keyed / opened for opened, keyed in costs)
    alone_ms, *attacked_ms = (
        statistics.median(result.p99_ms for result, _ in column)
        for column in zip(*found, strict=True)
    )
    lost = sum(result.wrong + result.refused + result.lost for row in found for result, _ in row)
    rows = [
        *((f"gate: {name}", f"{value:.2f} µs") for name, value in timed),
        ("whole request, no keys on the server", f"{whole[0]:.1f} µs"),
        ("whole request, with a key", f"{whole[1]:.1f} µs, {ratio:.3f} times that"),
        ("right answers a second with a key", f"{peak.right / peak.seconds:,.0f}"),
        (f"p99 of a good key at {good:,.0f} a second", f"{alone_ms:.2f} ms"),
        *(
            (
                f"beside wrong keys on {wrong} connections",
                f"{p99:.2f} ms, {p99 / alone_ms:.2f} times that",
            )
            for wrong, p99 in zip((CONNECTIONS, MANY), attacked_ms, strict=True)
        ),
        *(
            (
                f"refused a second, of {wrong} connections",
                f"{statistics.median(refused for _, refused in column):,.0f}",
            )
            for wrong, column in zip(
                (CONNECTIONS, MANY), list(zip(*found, strict=True))[1:], strict=True
            )
        ),
        ("its answers that were not right", f"{lost:,}"),
    ]
    text = "\n".join(
        [
            heading("Keys", ["python -m bench.keys", " ".join(sys.argv[1:])]),
            "The gate alone, the best of many runs; medians of rounds for the rest, in processor",
            f"time with {CONNECTIONS} connections.\n",
            markdown(("", ""), rows),
        ]
    )
    output.write_text(text + "\n", encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.keys")
