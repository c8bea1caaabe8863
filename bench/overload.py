"""Pupila asked for four times what it can do, while some clients are slow or hostile.

    python -m bench.overload [--seconds 60] [--times 4] [--connections 2048]

The load is open: a request is due whether or not others were answered, up to as many at once as
there are connections; one that finds none free counts as not sent. Linux only.
"""

import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click
import orjson

from bench.dialects import DIALECTS
from bench.machine import heading
from bench.material import MODELS
from bench.plan import Result, run
from bench.process import ROOT
from bench.runner import WARM_SECONDS, Runner, make_material, start
from bench.servers import SERVERS
from bench.table import markdown

HOSTILE_SHARE = 0.05
PROBE_SECONDS = 0.02
NORMAL_PROBES = 20
RECOVERY_SECONDS = 60.0


@dataclass
class Probe:
    """A lone client that asks every 20 ms. ``answers``: when, whether right, after how long."""

    port: int
    body: bytes
    label: object
    stop: threading.Event = field(default_factory=threading.Event)
    answers: list[tuple[float, bool, float]] = field(default_factory=list)

    def watch(self) -> None:
        while not self.stop.wait(PROBE_SECONDS):
            asked = time.monotonic()
            right = self._ask()
            self.answers.append((time.monotonic(), right, time.monotonic() - asked))

    def _ask(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("POST", "/predict/", self.body)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status == 200 and orjson.loads(content)["prediction"] == self.label
        except (OSError, ValueError, LookupError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def normal_after(self, moment: float, longest: float) -> float | None:
        """Seconds from the moment to the first of 20 answers in a row that are right and no slower
        than ``longest``; None if there is none yet."""
        row = 0
        first = moment
        for when, right, seconds in list(self.answers):
            if when < moment or not right or seconds > longest:
                row = 0
                continue
            first = when if row == 0 else first
            row += 1
            if row == NORMAL_PROBES:
                return first - moment
        return None


@dataclass(frozen=True)
class Findings:
    """``crowd``: right answers a second with as many connections as the overload has, each asking
    again once it is answered, half of the time before it and half after it; ``newcomer``: seconds
    that a lone client waited during the overload, which connects anew for each request, the
    shortest first; ``recovery`` in seconds, None if it was not within a minute; ``longest`` is what
    a lone client waited at most before, in seconds, twice."""

    peak: Result
    crowd: float
    overload: Result
    newcomer: list[float]
    hostile: dict[str, int]
    longest: float
    recovery: float | None


def overload(runner: Runner, times: float, connections: int, seconds: float) -> Findings:
    """Measure the peak, overload, and wait until a lone client is served as before."""
    peak = runner.capacity()
    crowd = [run(runner.plan(connections, seconds / 2, warm=WARM_SECONDS))]
    images = runner.model / "images.json"
    image, label = orjson.loads(images.read_bytes())[0]
    probe = Probe(runner.port, orjson.dumps(DIALECTS["fields"].body("probe", image)), label)
    attacked = str(WARM_SECONDS + seconds)
    hostile = [str(runner.port), str(int(connections * HOSTILE_SHARE)), attacked, str(images)]
    rate = times * rate_of(peak)
    plan = runner.plan(connections, seconds, warm=WARM_SECONDS, rate=rate)
    with ThreadPoolExecutor(2) as pool:
        watching = pool.submit(probe.watch)
        try:
            while len(probe.answers) < 100:
                time.sleep(PROBE_SECONDS)
            before = sorted(seconds for _, _, seconds in probe.answers)
            # Other things run on the machine too: the slowest of a hundred is an accident.
            longest = 2 * before[int(len(before) * 0.95)]
            attack = pool.submit(_attack, hostile, WARM_SECONDS + seconds)
            asked = len(probe.answers)
            result = run(plan)
            newcomer = sorted(
                seconds for when, _, seconds in probe.answers[asked:] if when < result.stopped_at
            )
            recovery = None
            until = time.monotonic() + RECOVERY_SECONDS
            while recovery is None and time.monotonic() < until:
                time.sleep(PROBE_SECONDS)
                recovery = probe.normal_after(result.stopped_at, longest)
        finally:
            probe.stop.set()
        watching.result()
        hostile_got = attack.result()
    crowd.append(run(runner.plan(connections, seconds / 2, warm=WARM_SECONDS)))
    together = sum(rate_of(one) for one in crowd) / len(crowd)
    return Findings(peak, together, result, newcomer, hostile_got, longest, recovery)


def _attack(arguments: list[str], seconds: float) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.hostile", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds + 60,
        check=True,
    )
    return dict(json.loads(done.stdout))


def _percentiles(seconds: list[float]) -> str:
    half, most = (seconds[int(len(seconds) * part)] * 1000 for part in (0.5, 0.99))
    return f"{half:.0f}, {most:.0f}"


def rate_of(result: Result) -> float:
    """Right answers a second."""
    return result.right / result.seconds


def report(found: Findings, floor: Findings, times: float, connections: int, arguments: str) -> str:
    peak, result = rate_of(found.peak), found.overload
    goodput = rate_of(result)
    floor_peak = rate_of(floor.peak)
    recovery = "not within a minute" if found.recovery is None else f"{found.recovery:.2f} s"
    rows = [
        ["peak before, right answers/s", f"{peak:,.0f}"],
        ["asked, requests/s", f"{times * peak:,.0f}"],
        ["right answers/s", f"{goodput:,.0f}, {goodput / peak:.0%} of the peak"],
        [
            f"peak with {connections:,} connections",
            f"{found.crowd:,.0f}, {found.crowd / peak:.0%} of the peak",
        ],
        ["right answers/s of that", f"{goodput / found.crowd:.0%}"],
        [
            f"floor, answers {{}} and reads nothing: peak with {connections:,}",
            f"{floor.crowd / floor_peak:.0%} of its peak",
        ],
        [
            "floor under the same overload",
            f"{rate_of(floor.overload) / floor_peak:.0%} of its peak",
        ],
        ["p50, p99 of right answers, ms", f"{result.p50_ms:.0f}, {result.p99_ms:.0f}"],
        ["p50, p99 of a client that connects anew, ms", _percentiles(found.newcomer)],
        ["503 with Retry-After", f"{result.refused:,}"],
        ["any other answer", f"{result.wrong:,} {result.first_wrong}".strip()],
        ["no answer", f"{result.lost:,}"],
        ["not sent, all connections busy", f"{result.unsent:,}"],
        ["client's share of a core", f"{result.client_cpu_seconds / result.seconds:.0%}"],
        [f"a lone client waits below {found.longest * 1000:.1f} ms again after", recovery],
    ]
    hostile = [[kind, f"{count:,}"] for kind, count in sorted(found.hostile.items())]
    parts = [heading("Overload", ["python -m bench.overload", arguments]), markdown(("", ""), rows)]
    return "\n".join([*parts, "", markdown(("hostile client: what it got", ""), hostile)]) + "\n"


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--seconds", default=60.0, type=click.FloatRange(1))
@click.option("--times", default=4.0, type=click.FloatRange(1), help="The capacity.")
@click.option("--connections", default=2048, type=click.IntRange(20))
@click.option("--model", default="logistic", type=click.Choice(list(MODELS)))
@click.option("--output", default=ROOT / "bench" / "overload.md", type=click.Path(path_type=Path))
def main(seconds: float, times: float, connections: int, model: str, output: Path) -> None:
    """Overload Pupila, and see what it makes of it."""
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        home = make_material(model, Path(folder))
        with start(SERVERS["pupila"], home) as runner:
            found = overload(runner, times, connections, seconds)
        with start(SERVERS["floor"], home) as runner:
            floor = overload(runner, times, connections, seconds)
    text = report(found, floor, times, connections, " ".join(sys.argv[1:]))
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.overload")
