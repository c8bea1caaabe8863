"""The ratios that the project claims, with their targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.measurement import Measurements, Quantity, Stage, distinct

LONE, BURST, AFTER = Stage(1), Stage(32), Stage(1, after=32)
BATCHING = ("mlserver", "litserve", "rayserve")


@dataclass(frozen=True)
class Claim:
    """``value`` is None where a server was left out, ``target`` where there is none."""

    model: str
    text: str
    value: float | None
    side: Literal["≥", "≤"]
    target: float | None

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        if self.target is None:
            return "no target"
        good = self.value >= self.target if self.side == "≥" else self.value <= self.target
        return "pass" if good else "miss"


def claims(found: Measurements) -> list[Claim]:
    """Every claim for every model that was measured."""
    return [
        claim for model in distinct(one.model for one in found) for claim in _claims(found, model)
    ]


def _claims(found: Measurements, model: str) -> list[Claim]:
    def ratio(server: str, other: str, stage: Stage, quantity: Quantity) -> float | None:
        return found.of(model, server, stage).ratio(found.of(model, other, stage), quantity)

    def target(logistic: float, svc: float, forest: float) -> float | None:
        targets: Mapping[str, float] = {"logistic": logistic, "svc": svc, "forest": forest}
        return targets.get(model)

    def at_least(text: str, value: float | None, goal: float | None) -> Claim:
        return Claim(model, text, value, "≥", goal)

    def at_most(text: str, value: float | None, goal: float | None) -> Claim:
        return Claim(model, text, value, "≤", goal)

    rates = {name: found.of(model, name, BURST).median("rate") or 0 for name in BATCHING}
    measured = [name for name in BATCHING if rates[name]]
    best = max(BATCHING, key=lambda name: rates[name])
    burst = found.of(model, "pupila", BURST)
    p50, p99 = burst.median("p50_ms"), burst.median("p99_ms")
    lone, after = found.of(model, "pupila", LONE), found.of(model, "pupila", AFTER)
    return [
        at_least(
            "throughput / FastAPI's, 32 clients",
            ratio("pupila", "fastapi_memory", BURST, "rate"),
            target(4, 4, 40),
        ),
        at_least(
            "throughput / FastAPI's without access log, 32 clients",
            ratio("pupila", "fastapi_quiet", BURST, "rate"),
            None,
        ),
        at_most(
            "CPU per request / FastAPI's, 32 clients",
            ratio("pupila", "fastapi_memory", BURST, "cpu_us"),
            target(0.25, 0.25, 0.03),
        ),
        at_most(
            "p50 / FastAPI's, 1 client",
            ratio("pupila", "fastapi_memory", LONE, "p50_ms"),
            target(0.6, 0.6, 0.08),
        ),
        at_least(
            "throughput / documented BentoML's, 32 clients",
            ratio("pupila", "bentoml_documented", BURST, "rate"),
            target(15, 15, 25),
        ),
        at_least(
            f"throughput / {best}'s, the best of {', '.join(measured) or 'none'}, 32 clients",
            ratio("pupila", best, BURST, "rate"),
            target(3, 3, 4),
        ),
        # No target for photos: floor answers before they have arrived.
        at_most(
            "floor's throughput / ours, 32 clients",
            ratio("floor", "pupila", BURST, "rate"),
            target(5, 5, 5),
        ),
        at_most("p99 / p50, 32 clients", p99 / p50 if p50 and p99 else None, 3),
        at_most("p50 of 1 client, after 32 / before", after.ratio(lone, "p50_ms"), 1.1),
    ]
