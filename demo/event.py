"""What happened, in a sentence; and in a word or two for a picture."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Kind = Literal["act", "monitor", "labels", "retrain", "rollout", "good", "bad"]


@dataclass(frozen=True)
class Event:
    """``at``: by ``time.monotonic``; ``mark``: its name in the picture, if it has a place there."""

    at: float
    kind: Kind
    text: str
    mark: str = ""


def of_decision(fields: Mapping[str, Any], challengers: Mapping[int, str]) -> Event:
    """An event of a decision as ``GET /rollouts/history`` lists it; ``challengers``: by the number
    of their rollouts."""
    at = moment(str(fields["at"]))
    because, numbers = str(fields["because"]), fields["numbers"]
    name = challengers.get(fields["rollout_id"], "the challenger")
    match fields["action"]:
        case "start":
            return Event(at, "rollout", f"rollout of {name} begins in the shadow", "shadow")
        case "stage":
            share = f"{numbers.get('share', 0):.0%}"
            return Event(at, "rollout", f"canary {share}: {because}", share)
        case "gain":
            return Event(at, "good", because, "promoted")
        case "harm":
            return Event(at, "good", because, "rolled back")
        case action:
            return Event(at, "bad", f"{action}: {because}", str(action))


def of_line(fields: Mapping[str, Any]) -> Event | None:
    """An event of a line of ``python -m pipeline watch --json``; None for what decisions tell."""
    at, because = moment(str(fields["at"])), str(fields["because"])
    if fields.get("fault"):
        return Event(at, "bad", f"{fields['task']}: {because}")
    match fields["task"], fields["what"]:
        case "monitor", "inspected":
            alarm = fields.get("state") == "alarm" or bool(fields.get("harm"))
            text = f"the monitor: {because.partition(' images: ')[2] or because}"
            return Event(at, "bad" if alarm else "monitor", text, "alarm" if alarm else "")
        case "monitor", "asked":
            return Event(at, "labels", because)
        case "guard", "stay" if "named" in because:
            return Event(at, "labels", f"the guard: {because.rpartition('; ')[2]}")
        case "retrain", "begins":
            return Event(at, "retrain", f"retraining begins: {because}", "retraining")
        case "retrain", "trained":
            return Event(at, "retrain", f"trained: {because}")
        case "retrain", "judged":
            return Event(at, "retrain", f"the gate: {because}")
        case "retrain", "refused" | "failed":
            return Event(at, "bad", because, str(fields["what"]))
    return None


def moment(text: str) -> float:
    """An ISO 8601 moment, by ``time.monotonic``."""
    ago = datetime.now(UTC) - datetime.fromisoformat(text)
    return time.monotonic() - ago.total_seconds()
