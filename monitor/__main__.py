"""``python -m monitor``: has what the model sees changed, and is the model still right?"""

import json
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

import cli
from errors import MonitorError, PupilaError, UnknownVersionError
from records.reports import Kind
from records.units import Age, Moment, Since, start_of

if TYPE_CHECKING:
    from rich.console import Console

    from models.store import Store
    from monitor.window.version import MonitoredVersion
    from records.database import Database

ALARM = 3

# Seconds: nobody waits behind a command line as behind a server.
_PATIENCE = 60.0

_RAREST = timedelta(days=365)
_MOST = 1_000_000_000

# Characters, of a table that goes into a file.
_TABLE = 200

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_model = click.option("--model", metavar="NAME", help="Of this model alone.")
_html = click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write the report as one HTML file, or one for each model into a folder.",
)
_webhook = click.option(
    "--webhook",
    metavar="URL",
    help="POST the report there, as JSON.  [default: PUPILA_WEBHOOK_URL]",
)


@click.group(cls=cli.Group)
def main() -> None:
    """Look at what production sends to the models, and at what they answer.

    Quality: are images and labels in order? Drift: do the images still look as in training?
    Accuracy: is the model still right, by labels or, without them, by a suspicion?
    """


@main.command()
@_model
@click.option("--version", metavar="TAG", help="Such as clf:abc123.  [default: the champion]")
@click.option(
    "--since",
    type=Since(),
    metavar="TIME",
    help="Such as 7d, or 2030-01-31, in UTC.  [default: 24h]",
)
@click.option(
    "--last", type=click.IntRange(1, _MOST), metavar="N", help="The newest N predictions."
)
@click.option("--until", type=Moment(), metavar="TIME", help="Before this moment; UTC.")
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    metavar="FOLDER",
    help="For a version without data of its own, such as an imported pickle: labelled images that "
    "it was not trained on, in one sub-folder for each class.",
)
@_html
@_webhook
@click.option(
    "--evidently",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write Evidently's own report too; needs requirements/evidently.txt.",
)
@_json
@click.pass_context
def run(
    context: click.Context,
    model: str | None,
    version: str | None,
    since: timedelta | datetime | None,
    last: int | None,
    until: datetime | None,
    data: Path | None,
    html: Path | None,
    webhook: str | None,
    evidently: Path | None,
    as_json: bool,
) -> None:
    """Look once, at all models or one, and keep the reports.

    Exits with 3 if there is an alarm, 1 after an error, else 0.
    """
    if since is not None and last is not None:
        raise click.UsageError("Give --since or --last, not both.")
    if data is not None and not (model or version):
        raise click.UsageError("--data is for one version: name its model by --model.")
    from models.store import Store
    from monitor.inspection import look
    from monitor.report.delivery import Outlets, deliver, last_state
    from monitor.report.document import Document, document
    from monitor.report.summary import print_summary
    from settings import settings

    outlets = Outlets(html, evidently, webhook or settings().webhook_url)
    documents: list[Document] = []
    faults: list[str] = []
    with _database() as database:
        database.check()
        subjects = _subjects(database, Store(), model, version, data)
        outlets.check(len(subjects))
        for subject in subjects:
            try:
                start, end = _bounds(database, subject, since, last, until)
                findings = look(database, subject, start, end)
                told = document(findings, last_state(database, subject.model))
            except PupilaError as error:
                faults.append(str(error))
                continue
            # Kept before it is printed: whoever reads may close the pipe.
            faults += deliver(database, findings, told, outlets)
            if not as_json:
                if documents:
                    click.echo()
                print_summary(_console(), findings)
            documents.append(told)
    if as_json:
        reports = [json.loads(one.json_text()) for one in documents]
        click.echo(json.dumps({"reports": reports}, indent=2))
    for fault in faults:
        click.echo(f"Error: {fault}", err=True)
    if any(one.state == "alarm" for one in documents):
        context.exit(ALARM)
    context.exit(1 if faults else 0)


@main.command()
@click.option(
    "--every", type=Age(), default="1h", show_default=True, metavar="AGE", help="Such as 15m or 1d."
)
@_model
@_html
@_webhook
@click.option(
    "--once",
    is_flag=True,
    help="Look at what has come since the last time, and end: for cron. Exits as run does.",
)
@click.pass_context
def watch(
    context: click.Context,
    every: timedelta,
    model: str | None,
    html: Path | None,
    webhook: str | None,
    once: bool,
) -> None:
    """Look again and again until told to stop, each time at what has come since.

    Prints a line for each look. The webhook is told when a model's state changes. A model with few
    requests is judged once there are enough of them. A database that is away is waited for.
    """
    if not timedelta(0) < every <= _RAREST:
        raise click.BadParameter("must be from 1m to 365d.", param_hint="--every")
    from models.store import Store
    from monitor.watching import Watcher
    from settings import settings

    stop = threading.Event()
    for number in () if once else (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _database() as database:
        url = webhook or settings().webhook_url
        watcher = Watcher(database, Store(), every, model, html, url)
        while not stop.is_set():
            for line in watcher.look(datetime.now(UTC), early=once):
                now = datetime.now(UTC)
                click.echo(f"{now:%Y-%m-%dT%H:%M:%SZ} {line}")
            if once:
                context.exit(ALARM if watcher.alarm else int(watcher.failed))
            stop.wait(watcher.pause(datetime.now(UTC)))


@main.command()
@_model
@click.option("--kind", type=click.Choice(get_args(Kind)), help="By default all.")
@click.option("--limit", type=click.IntRange(1, _MOST), default=30, show_default=True, metavar="N")
@_json
def history(model: str | None, kind: Kind | None, limit: int, as_json: bool) -> None:
    """Show past reports, the newest first."""
    from monitor.window.history import as_dict, reason
    from records.reports import history as reports

    with _database() as database:
        database.check()
        rows = reports(database, model, kind, limit)
    if as_json:
        click.echo(json.dumps([as_dict(row) for row in rows], indent=2))
        return
    if not rows:
        click.echo("There are no reports yet; make one with: python -m monitor run")
        return

    from monitor.report.summary import history_table

    console = _console(_TABLE)
    console.print(history_table(rows, [reason(row) for row in rows], console.width))


def _subjects(
    database: "Database",
    store: "Store",
    model: str | None,
    version: str | None,
    data: Path | None,
) -> list["MonitoredVersion"]:
    """The version that is named, or the champion of each model that has records."""
    from monitor.window.version import MonitoredVersion
    from records.windows import models

    if model or version:
        name, _, wanted = (version or "").rpartition(":")
        if model and name and name != model:
            raise click.UsageError(f"--version {version} is none of --model {model}.")
        if not (model or name):
            raise click.UsageError(f"Write the version as MODEL:{wanted}, or add --model.")
        return [MonitoredVersion.of(store.get(f"{model or name}:{wanted}"), data)]
    found = []
    for one in models(database):
        try:
            # What was refused before its model was known is counted under no name.
            if one:
                found.append(MonitoredVersion.of(store.champion(one)))
        except UnknownVersionError as error:
            click.echo(f"Skipped: {error}", err=True)
    if not found:
        raise MonitorError(
            f"{database.name} has no records of a model in the store: ask the server about some "
            "images first."
        )
    return found


def _bounds(
    database: "Database",
    subject: "MonitoredVersion",
    since: timedelta | datetime | None,
    last: int | None,
    until: datetime | None,
) -> tuple[datetime, datetime]:
    from records.windows import start_of_newest

    end = until or datetime.now(UTC)
    if last is not None:
        version = subject.version.version
        start = start_of_newest(database, subject.model, last, version=version, end=end)
        return start or end - timedelta(days=1), end
    return start_of(timedelta(days=1) if since is None else since, end), end


def _console(width: int = 100) -> "Console":
    """Without a meaning for [brackets], and of a fixed width where nobody looks at it."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=width)


def _database() -> "Database":
    from records.database import Database

    return Database.of(timeout=_PATIENCE)


if __name__ == "__main__":
    main(prog_name="python -m monitor")
