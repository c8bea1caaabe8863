"""Stats as a table for the terminal."""

from rich.table import Table

from records.stats import Stats
from sizes import size_text

_NUMBERS = ("REQUESTS", "KEPT", "REJECTED", "IMPORTED", "IMAGES", "SIZE", "LABELLED", "CONFLICTS")


def stats_table(stats: Stats) -> Table:
    """A row for each model."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("MODEL", no_wrap=True)
    for name in _NUMBERS:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("FIRST (UTC)", no_wrap=True)
    table.add_column("LAST (UTC)", no_wrap=True)
    for model in stats.models:
        table.add_row(
            # Requests that were refused before their model was known have no name.
            model.model or "-",
            f"{model.requests:,}",
            f"{model.kept + model.feedback:,}",
            f"{model.rejected:,}",
            f"{model.imported:,}",
            f"{model.images:,}",
            size_text(model.image_bytes),
            f"{model.labelled:,}",
            f"{model.conflicts:,}",
            f"{model.first:%Y-%m-%d %H:%M}" if model.first else "-",
            f"{model.last:%Y-%m-%d %H:%M}" if model.last else "-",
        )
    return table
