"""What a key costs a request, and what wrong keys cost everybody else.

    python -m bench.keys [--rounds 5]

The gate is timed alone in this process, beside the whole request of a server with and without keys,
which take turns. Then one client sends wrong keys, half as many a second as the server can refuse,
while another asks with a good one. Linux only.
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


def refused(runner: Runner, seconds: float) -> float:
    """Wrong keys that the server refuses in a second."""
    plan = runner.plan(CONNECTIONS, seconds, warm=0.5)
    result = run(replace(plan, secret=new_secret()))
    return result.wrong / result.seconds


def under(runner: Runner, secret: str, rate: float, wrong: float, seconds: float) -> Result:
    """What a good client gets that asks at the rate, while another sends wrong keys."""
    good = replace(runner.plan(CONNECTIONS, seconds, rate=rate), secret=secret)
    bad = replace(runner.plan(CONNECTIONS, seconds + 1, rate=wrong), secret=new_secret())
    with ThreadPoolExecutor(1) as pool:
        attack = pool.submit(run, bad) if wrong else None
        result = run(good)
        if attack is not None:
            attack.result()
    return result


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--rounds", default=5, type=click.IntRange(1))
@click.option("--seconds", default=2.0, type=click.FloatRange(0.5), help="Of each measurement.")
@click.option("--output", default=ROOT / "bench" / "keys.md", type=click.Path(path_type=Path))
def main(rounds: int, seconds: float, output: Path) -> None:
    """Say what keys cost."""
    alone = gates()
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
            good, most = GOOD_SHARE * peak.right / peak.seconds, refused(keyed, seconds)
            calm, attacked = [], []
            for _ in range(rounds):
                calm.append(under(keyed, secret, good, 0, seconds))
                attacked.append(under(keyed, secret, good, most / 2, seconds))
    whole = [statistics.median(column) for column in zip(*costs, strict=True)]
    ratio = statistics.median(keyed / opened for opened, keyed in costs)
    before = statistics.median(result.p99_ms for result in calm)
    after = statistics.median(result.p99_ms for result in attacked)
    lost = sum(result.wrong + result.refused + result.lost for result in attacked)
    rows = [
        *((f"gate: {name}", f"{value:.2f} µs") for name, value in alone),
        ("whole request, no keys on the server", f"{whole[0]:.1f} µs"),
        ("whole request, with a key", f"{whole[1]:.1f} µs, {ratio:.3f} times that"),
        ("right answers a second with a key", f"{peak.right / peak.seconds:,.0f}"),
        ("wrong keys refused a second", f"{most:,.0f}"),
        (f"p99 of a good key at {good:,.0f} a second", f"{before:.2f} ms"),
        (f"the same beside {most / 2:,.0f} wrong keys a second", f"{after:.2f} ms"),
        ("the second divided by the first", f"{after / before:.2f}"),
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
