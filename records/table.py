"""How much there is, as a table for a person."""

from rich.table import Table

from records.stats import Stats
from records.units import size_text

_NUMBERS = ("REQUESTS", "KEPT", "REJECTED", "IMPORTED", "IMAGES", "SIZE", "LABELLED", "CONFLICTS")


def stats_table(stats: Stats) -> Table:
    """One row a model."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("MODEL", no_wrap=True)
    for name in _NUMBERS:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("FIRST (UTC)", no_wrap=True)
    table.add_column("LAST (UTC)", no_wrap=True)
    for one in stats.models:
        table.add_row(
            # Of requests that were refused before their model was known, there is no name.
            one.model or "-",
            f"{one.requests:,}",
            f"{one.kept + one.feedback:,}",
            f"{one.rejected:,}",
            f"{one.imported:,}",
            f"{one.images:,}",
            size_text(one.image_bytes),
            f"{one.labelled:,}",
            f"{one.conflicts:,}",
            f"{one.first:%Y-%m-%d %H:%M}" if one.first else "-",
            f"{one.last:%Y-%m-%d %H:%M}" if one.last else "-",
        )
    return table
