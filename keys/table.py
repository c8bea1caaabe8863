"""Keys as a table for the terminal."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.table import Table

from records.key import Key, rate_text


def keys_table(keys: Sequence[Key], used: Mapping[str, int], now: datetime) -> Table:
    """A row for each key."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("NAME", "SCOPES", "MODELS"):
        table.add_column(heading)
    for heading in ("RATE", "DAILY", "USED TODAY"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("STATE", no_wrap=True)
    for key in keys:
        table.add_row(
            key.name,
            ",".join(key.scopes),
            ",".join(key.models) if key.models else "all",
            rate_text(key.rate) if key.rate else "-",
            f"{key.daily:,}" if key.daily else "-",
            f"{used.get(key.name, 0):,}",
            _state(key, now),
        )
    return table


def _state(key: Key, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "valid"
    return f"{'valid until' if now < key.expires_at else 'expired'} {key.expires_at:%Y-%m-%d}"
