"""``python -m monitor``: have the images changed, and is the model still accurate?"""

import json
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

import cli
from errors import PupilaError
from records.reports import Kind
from records.units import Interval, Moment, Since

if TYPE_CHECKING:
    from records.database import Database


_MAX_COUNT = 1_000_000_000

# Characters, if the output is not a terminal.
_SUMMARY_WIDTH = 100
_TABLE_WIDTH = 200

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_model = click.option("--model", metavar="NAME", help="Only this model.  [default: all]")
_html = click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write the report to this HTML file, all models on one page; or one file per model, for a "
    "folder, or a name such as '{model}.html'.",
)
_webhook = click.option(
    "--webhook",
    metavar="URL",
    help="POST the report to this URL, as JSON.  [default: PUPILA_WEBHOOK_URL]",
)
_fail_on_alarm = click.option(
    "--fail-on-alarm/--no-fail-on-alarm",
    default=True,
    show_default=True,
    help="Exit with 3 on an alarm; without it, with 0, as for schedulers.",
)


@click.group(cls=cli.Group)
def main() -> None:
    """Inspect the images that production sends to the models, and the predictions.

    Drift: do the images still look like the training data? Accuracy: is the model still accurate,
    measured with labels or estimated without? Quality: are the images and labels valid?
    """


@main.command()
@_model
@click.option(
    "--version", metavar="TAG", help="One version, such as clf:abc123.  [default: the champion]"
)
@click.option(
    "--since",
    type=Since(),
    metavar="TIME",
    help="Start of the window, such as 7d or 2030-01-31 (UTC).  [default: 24h]",
)
@click.option(
    "--last",
    type=click.IntRange(1, _MAX_COUNT),
    metavar="N",
    help="The last N predictions, instead of --since.",
)
@click.option(
    "--until",
    type=Moment(),
    metavar="TIME",
    help="End of the window, such as 2030-01-31 (UTC).  [default: now]",
)
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    metavar="FOLDER",
    help="Reference for a version without one, such as an imported pickle: labelled images that it "
    "was not trained on, in one sub-folder per class.",
)
@_html
@_webhook
@click.option(
    "--evidently",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Also write Evidently's own report; needs requirements/evidently.txt.",
)
@_fail_on_alarm
@_json
@click.pass_context
def run(
    context: click.Context,
    fail_on_alarm: bool,
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
    """Inspect one model or all of them once, and save the reports.

    Exits with 3 on an alarm, 1 after an error, otherwise 0. With --no-fail-on-alarm, an alarm is 0.
    """
    if since is not None and last is not None:
        raise click.UsageError("Use either --since or --last, not both.")
    if data is not None and not (model or version):
        raise click.UsageError("--data applies to one version: choose it with --model.")
    from monitor.asking import asked
    from monitor.inspection import inspect
    from monitor.report.delivery import Destinations, deliver, last_state
    from monitor.report.document import Document
    from monitor.report.summary import print_summary
    from monitor.selection import select_versions, select_window
    from settings import settings

    destinations = Destinations(html, evidently, webhook or settings().webhook_url)
    documents: list[Document] = []
    failures: list[str] = []
    with _database() as database:
        database.check()
        versions = select_versions(database, model, version, data)
        destinations.check(len(versions))
        for monitored in versions:
            try:
                start, end = select_window(database, monitored, since, last, until)
                # Who names a version asks about that alone.
                findings = inspect(database, monitored, start, end, alone=version is not None)
                before = last_state(database, monitored.model)
            except PupilaError as error:
                failures.append(str(error))
                continue
            try:
                # Of the past, or of a version that may not answer, nothing is asked for.
                recent = until is None and version is None
                findings = asked(database, findings, settings().ask_per_week if recent else 0)
            except PupilaError as error:
                failures.append(str(error))
            document = Document.of(findings, before)
            # Saved before it is printed: the reader of a pipe may close it.
            failures += deliver(database, findings, document, destinations)
            if not as_json:
                if documents:
                    click.echo()
                print_summary(cli.console(_SUMMARY_WIDTH), findings)
            documents.append(document)
    if as_json:
        reports = [json.loads(document.json_text()) for document in documents]
        click.echo(json.dumps({"reports": reports}, indent=2))
    for failure in failures:
        click.echo(f"Error: {failure}", err=True)
    if fail_on_alarm and any(document.state == "alarm" for document in documents):
        context.exit(cli.ALARM)
    context.exit(1 if failures else 0)


@main.command()
@click.option(
    "--every",
    type=Interval(),
    default="1h",
    show_default=True,
    metavar="AGE",
    help="Such as 15m or 1d.",
)
@_model
@_html
@_webhook
@click.option(
    "--once",
    is_flag=True,
    help="Inspect the data since the last time and exit, for cron; exit codes as for run.",
)
@_fail_on_alarm
@click.pass_context
def watch(
    context: click.Context,
    fail_on_alarm: bool,
    every: timedelta,
    model: str | None,
    html: Path | None,
    webhook: str | None,
    once: bool,
) -> None:
    """Inspect the data since the last time, at regular intervals until interrupted.

    Prints one line per inspection and notifies the webhook when the state of a model changes. A
    model with few requests is judged once there are enough. If the database is not available,
    watch waits for it.
    """
    from models.store import Store
    from monitor.watching import Watcher
    from records.current import champions
    from settings import settings

    stop = threading.Event()
    for number in () if once else (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _database() as database:
        url = webhook or settings().webhook_url
        store = Store(aliases=champions)
        watcher = Watcher(
            database,
            store,
            every,
            model,
            html,
            url,
            at_once=True,
            per_week=settings().ask_per_week,
        )
        while not stop.is_set():
            for line in watcher.inspect(datetime.now(UTC), early=once):
                now = datetime.now(UTC)
                click.echo(f"{now:%Y-%m-%dT%H:%M:%SZ} {line}")
            if once:
                alarm = watcher.alarm and fail_on_alarm
                context.exit(cli.ALARM if alarm else int(watcher.failed))
            stop.wait(watcher.pause(datetime.now(UTC)))


@main.command()
@_model
@click.option("--kind", type=click.Choice(get_args(Kind)), help="Only this kind.  [default: all]")
@click.option(
    "--limit", type=click.IntRange(1, _MAX_COUNT), default=30, show_default=True, metavar="N"
)
@_json
def history(model: str | None, kind: Kind | None, limit: int, as_json: bool) -> None:
    """Show past reports, newest first."""
    from monitor.window.history import reason_of, row_as_json
    from records.reports import history as reports

    with _database() as database:
        database.check()
        rows = reports(database, model, kind, limit)
    if as_json:
        click.echo(json.dumps([row_as_json(row) for row in rows], indent=2))
        return
    if not rows:
        click.echo("There are no reports yet; create one with: python -m monitor run")
        return

    from monitor.report.summary import history_table

    console = cli.console(_TABLE_WIDTH)
    console.print(history_table(rows, [reason_of(row) for row in rows], console.width))


def _database() -> "Database":
    from records.database import COMMAND_SECONDS, Database

    return Database.of(timeout=COMMAND_SECONDS)


if __name__ == "__main__":
    main(prog_name="python -m monitor")
