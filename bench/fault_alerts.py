"""Which alerts a fault sets off: promtool runs the real rules over what was really scraped.

A fault here lasts for seconds, and an alert needs minutes. So promtool is given four scrapes, drawn
out: twenty minutes as between the two before the fault, then half an hour as between the two in it.
After a fault that does not last, it goes on as before it.
"""

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.process import ROOT

RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
STEP_SECONDS = 15
BEFORE_STEPS = 80
FAULT_STEPS = 120
FRESH_SECONDS = 5.0

_FIRED = re.compile(r"\{(alertname=[^}]*)\} ([\d.E+]+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_ABOUT = ("reason", "route")
_FALLEN = "up"
# As Prometheus takes a series that a scrape lacks.
_GONE = f"stale _x{FAULT_STEPS - 2}"


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


@dataclass(frozen=True)
class Scrapes:
    """Two before the fault and two in it; the same one twice, after a fault that does not last."""

    first: Scrape
    before: Scrape
    early: Scrape
    late: Scrape

    @property
    def lasts(self) -> bool:
        return self.early is not self.late


def firing(scrapes: Scrapes) -> list[str]:
    """The alerts, each with its severity and the minutes from the fault until it fires."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.yaml"
        path.write_text(yaml.safe_dump(_test(scrapes)))
        done = subprocess.run(
            ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
        )
    printed = done.stdout + done.stderr
    if done.returncode and "got:" not in printed:
        raise RuntimeError(printed)
    # What it had been told to expect is nothing, so it prints what it got.
    began = BEFORE_STEPS * STEP_SECONDS
    fired = [(float(at) - began, dict(_LABEL.findall(one))) for one, at in _FIRED.findall(printed)]
    return [
        " ".join([labels["alertname"], *(labels[name] for name in _ABOUT if labels.get(name))])
        + f" ({labels['severity']}, {f'{seconds / 60:.0f} min' if seconds >= 0 else 'before'})"
        for seconds, labels in sorted(fired, key=lambda one: (one[0], one[1]["alertname"]))
    ]


def _test(scrapes: Scrapes) -> dict[str, object]:
    every = (scrapes.first, scrapes.before, scrapes.early, scrapes.late)
    names = sorted({name for scrape in every for name in scrape.series or {}})
    steps = BEFORE_STEPS + FAULT_STEPS
    whole = f"{steps * STEP_SECONDS}s"
    times = f'timestamp(ALERTS{{alertstate="firing"}})[{whole}:{STEP_SECONDS}s]'
    up = [int(scrape.series is not None) for scrape in (scrapes.before, scrapes.late)]
    series = [{"series": _labelled(name), "values": _values(name, scrapes)} for name in names]
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
                        "expr": f"min by (alertname, severity, {', '.join(_ABOUT)}) "
                        f"(min_over_time({times}))",
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


def _values(name: str, scrapes: Scrapes) -> str:
    """Of a series, in promtool's notation. Times count from its own 1970, twenty minutes before the
    fault."""
    bare = name.partition("{")[0]
    is_time = bare.endswith("_timestamp_seconds")
    is_count = bare.endswith(("_total", "_bucket", "_count", "_sum"))
    began = BEFORE_STEPS * STEP_SECONDS

    def value(scrape: Scrape, reference: Scrape) -> float | None:
        found = (scrape.series or {}).get(name)
        return found - reference.at + began if found and is_time else found

    def gained(start: Scrape, end: Scrape) -> float:
        """From one scrape of Prometheus to the next; what is not there yet has counted to 0."""
        before, after = value(start, end), value(end, end)
        if after is None or end.at <= start.at:
            return 0.0
        if is_time:
            # Moments are told now and then: one of just now goes with the clock.
            moves = (before is not None and after > before) or began - after < FRESH_SECONDS
            return STEP_SECONDS if moves and after < began + FRESH_SECONDS else 0.0
        return (after - (before or 0.0)) * STEP_SECONDS / (end.at - start.at) if is_count else 0.0

    usual = gained(scrapes.first, scrapes.before)
    start, fault = value(scrapes.before, scrapes.before), value(scrapes.early, scrapes.early)
    parts = [f"_x{BEFORE_STEPS - 1}"]
    if start is not None:
        parts = [_line(start - usual * (BEFORE_STEPS - 1), usual, BEFORE_STEPS)]
    if scrapes.lasts:
        slope = gained(scrapes.early, scrapes.late)
        late = value(scrapes.late, scrapes.early)
        # A series that a scrape lacks is gone at once.
        if late is None or fault is None or not (is_time or is_count):
            fault = late
    else:
        slope = usual
    parts.append(_GONE if fault is None else _line(fault, slope, FAULT_STEPS))
    return " ".join(parts)


def _line(start: float, slope: float, steps: int) -> str:
    return f"{start:.6f}{slope:+.6f}x{steps - 1}"
