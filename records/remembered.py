"""The aliases that a server knew last, in a file: for its restart while the database is away."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from records.routing import Rollout, Routing

FILE: Final = "known-aliases.json"
"""Under ``PUPILA_HOME``."""


def remember(path: Path, decision: int, known: Mapping[str, Routing]) -> None:
    """Replace the file in one step; raises OSError."""
    content = json.dumps(
        {"decision": decision, "models": {name: asdict(one) for name, one in known.items()}},
        default=datetime.isoformat,
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A unique name: the workers of a server write at the same time.
    part = path.with_name(f".{path.name}.{token_hex(4)}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


def remembered(path: Path) -> tuple[int, dict[str, Routing]] | None:
    """The number of the decision, and who answered; None without a file that can be used."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        models = {str(name): _routing(one) for name, one in content["models"].items()}
        return int(content["decision"]), models
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _routing(fields: dict[str, Any]) -> Routing:
    rollout = fields["rollout"]
    if rollout is not None:
        times = {
            name: datetime.fromisoformat(rollout[name])
            for name in ("started_at", "stage_at", "ended_at")
            if rollout[name] is not None
        }
        rollout = Rollout(**rollout | times)
    return Routing(fields["model"], fields["champion"], fields["challenger"], rollout)
