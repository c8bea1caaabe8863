"""Which alerts a fault sets off: promtool runs the real rules over what was really scraped.

A fault here lasts for seconds, and an alert needs minutes. So promtool is given three scrapes,
drawn out: ten minutes as between the first two, then half an hour as between the last two. A fault
that ``lasts`` goes on for that time; one that does not happens once, and what follows is as before.
"""

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.process import ROOT

RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
STEP_SECONDS = 15
BEFORE_STEPS = 40
FAULT_STEPS = 120

_FIRED = re.compile(r'\{alertname="(\w+)", severity="(\w+)"\} ([\d.E+]+)')
_FALLEN = "up"


@dataclass(frozen=True)
class Scrape:
    """``/metrics`` at a moment, in seconds since 1970, by the text of each series; None if there
    was no answer."""

    at: float
    series: Mapping[str, float] | None

    def get(self, name: str) -> dict[str, float]:
        """The series of a metric by their labels' text, in braces."""
        found = self.series or {}
        return {one[len(name) :]: found[one] for one in found if one.partition("{")[0] == name}


def firing(scrapes: Sequence[Scrape], *, lasts: bool) -> list[str]:
    """The alerts, each with its severity and the minutes from the fault until it fires.

    ``scrapes``: two before the fault, the last of it or after it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.yaml"
        path.write_text(yaml.safe_dump(_test(scrapes, lasts=lasts)))
        done = subprocess.run(
            ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
        )
    printed = done.stdout + done.stderr
    if done.returncode and "got:" not in printed:
        raise RuntimeError(printed)
    # What it had been told to expect is nothing, so it prints what it got.
    began = BEFORE_STEPS * STEP_SECONDS
    fired = [(float(at) - began, name, severity) for name, severity, at in _FIRED.findall(printed)]
    return [
        f"{name} ({severity}, {f'{seconds / 60:.0f} min' if seconds >= 0 else 'before'})"
        for seconds, name, severity in sorted(fired)
    ]


def _test(scrapes: Sequence[Scrape], *, lasts: bool) -> dict[str, object]:
    names = sorted({name for scrape in scrapes for name in scrape.series or {}})
    steps = BEFORE_STEPS + FAULT_STEPS
    whole = f"{steps * STEP_SECONDS}s"
    times = f'timestamp(ALERTS{{alertstate="firing"}})[{whole}:{STEP_SECONDS}s]'
    up = [int(scrape.series is not None) for scrape in (scrapes[0], scrapes[-1])]
    series = [
        {"series": _labelled(name), "values": _values(name, scrapes, lasts=lasts)} for name in names
    ]
    series.append(
        {
            "series": _labelled(_FALLEN),
            "values": f"{up[0]}x{BEFORE_STEPS - 1} {up[1]}x{FAULT_STEPS - 1}",
        }
    )
    return {
        "rule_files": [str(RULES)],
        "evaluation_interval": f"{STEP_SECONDS}s",
        "tests": [
            {
                "interval": f"{STEP_SECONDS}s",
                "input_series": series,
                "promql_expr_test": [
                    {
                        "expr": f"min by (alertname, severity) (min_over_time({times}))",
                        "eval_time": whole,
                        "exp_samples": [],
                    }
                ],
            }
        ],
    }


def _labelled(series: str) -> str:
    """With what Prometheus adds to each series that it scrapes."""
    name, _, labels = series.rstrip("}").partition("{")
    added = 'job="pupila",instance="server"'
    return f"{name}{{{labels},{added}}}" if labels else f"{name}{{{added}}}"


def _values(name: str, scrapes: Sequence[Scrape], *, lasts: bool) -> str:
    """Of a series, in promtool's notation. Times count from its own 1970, ten minutes before the
    fault."""
    first, before, last = scrapes
    bare = name.partition("{")[0]
    is_time = bare.endswith("_timestamp_seconds")
    moves = is_time or bare.endswith(("_total", "_bucket", "_count", "_sum"))
    began = BEFORE_STEPS * STEP_SECONDS
    values = [scrape.series.get(name) if scrape.series else None for scrape in scrapes]
    if is_time:
        values = [value and value - before.at + began for value in values]
    early, start, end = values
    usual = _slope(early, start, before.at - first.at) if moves else 0.0
    parts = [f"_x{BEFORE_STEPS}"]
    if start is not None:
        parts = [_line(start - usual * (BEFORE_STEPS - 1), usual, BEFORE_STEPS)]
    if end is None:
        parts.append(f"_x{FAULT_STEPS}")
    elif not moves:
        parts.append(_line(end, 0.0, FAULT_STEPS))
    elif lasts:
        slope = _slope(start, end, last.at - before.at)
        parts.append(_line((start or 0.0) + slope if start else end, slope, FAULT_STEPS))
    else:
        parts.append(_line(end, usual, FAULT_STEPS))
    return " ".join(parts)


def _slope(start: float | None, end: float | None, seconds: float) -> float:
    """What it gains from one scrape of Prometheus to the next."""
    if start is None or end is None or not seconds:
        return 0.0
    return (end - start) * STEP_SECONDS / seconds


def _line(start: float, slope: float, steps: int) -> str:
    return f"{start:.6f}{slope:+.6f}x{steps - 1}"
