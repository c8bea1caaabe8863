"""PastWindow reports, as the database has them."""

import json
from typing import Any

from records.reports import ReportRow


def body(row: ReportRow) -> dict[str, Any]:
    """What a report said; empty if it cannot be read."""
    try:
        found = json.loads(row.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def reason(row: ReportRow) -> str:
    """In one sentence; of two kinds of accuracy the one that the state comes from."""
    told = body(row)
    if row.kind == "accuracy":
        kinds = [told.get(name) or {} for name in ("accuracy", "harm")]
        told = next((one for one in kinds if one.get("state") == row.state), kinds[0])
    return str(told.get("reason", ""))


def as_dict(row: ReportRow) -> dict[str, Any]:
    """For JSON; ``report`` is what was found."""
    return {
        "at": row.at.isoformat(),
        "model": row.model,
        "version": row.version,
        "kind": row.kind,
        "start": row.window_start.isoformat() if row.window_start else None,
        "end": row.window_end.isoformat() if row.window_end else None,
        "images": row.images,
        "state": row.state,
        "p_value": row.p_value,
        "reason": reason(row),
        "report": body(row),
    }
