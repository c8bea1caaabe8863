"""What servers write during a rollout, without a server: the champion is a, the challenger b."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from records.database import Database
from records.labels import NewLabel, add
from records.prediction import KeptPrediction, Label
from records.rollouts import start
from records.routing import Pair, Rollout
from records.traffic import TrafficKey
from records.writer import write
from rollout.rule import GuardRule

CHAMPION = ("a", "champion")
CHALLENGER = ("b", "challenger")


def begun(database: Database, **rule: Any) -> Rollout:
    chosen = GuardRule(**({"minutes": 0.0, "gated": True} | rule)).as_dict()
    return start(
        database, "clf", "b", actor="ann", because="tests", answering="a", shadow=0.1, rule=chosen
    )


def count(
    database: Database,
    counts: Mapping[tuple[str, str, str, str], int],
    ago: timedelta = timedelta(0),
) -> None:
    """Traffic of one minute: by version, role, kind and key."""
    minute = (datetime.now(UTC) - ago).replace(second=0, microsecond=0)
    rows: dict[TrafficKey, int] = {(minute, "clf", *key): n for key, n in counts.items()}
    write(database, [], rows)


def disagree(
    database: Database, rollout: Rollout, count: int, truth: Label | None = None, prefix: str = "d"
) -> list[str]:
    """Kept pairs: the champion said 8 and the challenger 3."""
    ids = [f"{prefix}-{number}" for number in range(count)]
    rows = [
        KeptPrediction(
            request_id=id_,
            model="clf",
            version=rollout.champion,
            role="champion",
            at=datetime.now(UTC),
            label=8,
            image=id_.encode(),
            pair=Pair(
                rollout_id=rollout.id,
                version=rollout.challenger,
                role="challenger",
                label=3,
                probabilities=None,
                seconds=0.001,
                differ=True,
            ),
        )
        for id_ in ids
    ]
    write(database, rows, {})
    return ids


def tell(database: Database, request_ids: list[str], truth: Label) -> None:
    add(database, [NewLabel(id_, truth) for id_ in request_ids], lambda _model: (3, 8))
