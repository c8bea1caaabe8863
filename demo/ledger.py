"""Every answer that clients got, and how many of them were right: the demo knows the truth."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from demo.traffic import Answer


@dataclass
class Ledger:
    answers: list[Answer] = field(default_factory=list)
    truth: dict[str, str] = field(default_factory=dict)
    failed: int = 0

    def add(self, answers: Iterable[Answer]) -> None:
        for one in answers:
            self.answers.append(one)
            self.truth[one.request_id] = one.truth
            self.failed += one.status != 200

    def last(self, seconds: float) -> list[Answer]:
        """Those of the last seconds, by the newest of all."""
        if not self.answers:
            return []
        end = self.answers[-1].at
        found = []
        for one in reversed(self.answers):
            # Not quite in the order in which they were sent.
            if one.at < end - seconds - 1:
                break
            if one.at >= end - seconds:
                found.append(one)
        return found

    def where(self, condition: Callable[[Answer], bool]) -> list[Answer]:
        return [one for one in self.answers if condition(one)]


def accuracy(answers: Sequence[Answer]) -> float | None:
    """The proportion of right answers; None without any."""
    if not answers:
        return None
    return sum(one.prediction == one.truth for one in answers) / len(answers)


def shares(answers: Sequence[Answer]) -> dict[str, float]:
    """Which version gave what proportion of the answers."""
    counts: dict[str, int] = {}
    for one in answers:
        if one.version:
            counts[one.version] = counts.get(one.version, 0) + 1
    return {version: count / len(answers) for version, count in sorted(counts.items())}


def latency(answers: Sequence[Answer]) -> tuple[float, float] | None:
    """The median and the 99th percentile in milliseconds; None without any."""
    times = [1000 * one.seconds for one in answers if one.status]
    if not times:
        return None
    middle, most = np.percentile(times, [50, 99])
    return float(middle), float(most)
