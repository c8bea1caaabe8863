"""Which versions, and which window, ``python -m monitor run`` inspects."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from errors import MonitorError, UnknownVersionError
from models.store import Store
from monitor.window.version import MonitoredVersion
from records.current import champions
from records.database import Database
from records.units import start_of
from records.windows import models, start_of_newest

DAY = timedelta(days=1)


def select_versions(
    database: Database, model: str | None, version: str | None, data: Path | None
) -> list[MonitoredVersion]:
    """The version that is named, or the champion of each model that has records.

    Raises UsageError for options that contradict each other, UnknownVersionError and MonitorError.
    """
    store = Store(aliases=champions)
    if model or version:
        name, _, wanted = (version or "").rpartition(":")
        if model and name and name != model:
            raise click.UsageError(f"--version {version} is not a version of --model {model}.")
        if not (model or name):
            raise click.UsageError(f"Write the version as MODEL:{wanted}, or add --model.")
        return [MonitoredVersion.of(store.get(f"{model or name}:{wanted}"), data)]
    found = []
    # Requests that were rejected before their model was known are counted under an empty name.
    for name in filter(None, models(database)):
        try:
            found.append(MonitoredVersion.of(store.champion(name)))
        except UnknownVersionError as error:
            click.echo(f"Skipped: {error}", err=True)
    if not found:
        raise MonitorError(
            f"{database.name} has no records of any model in the store: send the server some "
            "images first."
        )
    return found


def select_window(
    database: Database,
    monitored: MonitoredVersion,
    since: timedelta | datetime | None,
    last: int | None,
    until: datetime | None,
) -> tuple[datetime, datetime]:
    """Start and end: of the newest ``last`` predictions, or ``since`` then; by default a day."""
    end = until or datetime.now(UTC)
    if last is not None:
        version = monitored.version.version
        start = start_of_newest(database, monitored.model, last, version=version, end=end)
        return start or end - DAY, end
    return start_of(DAY if since is None else since, end), end
