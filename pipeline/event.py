"""What happened in the loop: a line for a person, or JSON for another program."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from cli import printable

Task = Literal["monitor", "retrain", "guard"]


@dataclass(frozen=True)
class Event:
    """``what``: in a word or two, such as ``judged``; ``fault``: something is wrong; ``quiet``:
    that nothing was done, which is only news the first time; ``more``: for programs."""

    task: Task
    model: str | None
    what: str
    because: str
    fault: bool = False
    quiet: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def line(self) -> str:
        model = "" if self.model is None else f" {self.model}"
        text = f"{self.at:%Y-%m-%dT%H:%M:%SZ} {self.task}{model}: {self.what}: {self.because}"
        return printable(text)

    def json(self) -> str:
        fields = {
            "at": self.at.isoformat(),
            "task": self.task,
            "model": self.model,
            "what": self.what,
            "because": self.because,
            "fault": self.fault,
        }
        return json.dumps(fields | dict(self.more), default=str)
