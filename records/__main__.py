"""``python -m records``: look at what was kept, bring some in, take some out, let some go."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

import cli
from errors import RecordsError
from records.units import Age, Moment, Since, Size, size_text, start_of

if TYPE_CHECKING:
    from records.database import Database

# Seconds: nobody waits behind a command line as behind a server.
_PATIENCE = 60.0
_LISTED = 20
_ORIGINS = ("traffic", "feedback", "import")

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=cli.Group)
def main() -> None:
    """The records of what was predicted and what was true.

    They are in the SQLite file records.db under PUPILA_HOME, or where PUPILA_DATABASE_URL says.
    """


@main.command()
def migrate() -> None:
    """Bring the database's schema up to date, making the database if need be."""
    from records.schema import REVISION

    with _database(create=True) as database:
        before = database.migrate()
        name = database.name
    if before == REVISION:
        click.echo(f"{name}: schema {REVISION} already.")
    else:
        click.echo(f"{name}: schema {REVISION}{f', before {before}' if before else ', new'}.")


@main.command()
@_json
def stats(as_json: bool) -> None:
    """Show how much there is of each model."""
    from records.stats import stats as count

    with _database() as database:
        database.check()
        found = count(database)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2, default=str))
        return
    if not found.models:
        click.echo(f"{found.database} ({size_text(found.bytes)}) has no records yet.")
        return

    from rich.console import Console

    from records.table import stats_table

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=160)
    console.print(stats_table(found))
    click.echo(f"\n{found.database}: {size_text(found.bytes)}")


@main.command()
@click.option("--older-than", type=Age(), metavar="AGE", help="Such as 90m, 12h, 30d or 4w.")
@click.option("--max-rows", type=click.IntRange(0), metavar="N", help="Keep the newest N.")
@click.option("--max-bytes", type=Size(), metavar="SIZE", help="Such as 500MB or 2GiB.")
@_json
def prune(
    older_than: timedelta | None, max_rows: int | None, max_bytes: int | None, as_json: bool
) -> None:
    """Delete the oldest records, with their images and labels, until every bound holds.

    An age goes for traffic and reports too. The space goes back to the disk (on PostgreSQL, to
    new records). A server may go on writing meanwhile.
    """
    if older_than is None and max_rows is None and max_bytes is None:
        raise click.UsageError("Give a bound: --older-than, --max-rows or --max-bytes.")
    from records.retention import prune as let_go

    with _database() as database:
        database.check()
        done = let_go(database, older_than, max_rows, max_bytes)
    if as_json:
        click.echo(json.dumps(asdict(done)))
        return
    click.echo(
        f"Deleted {done.rows:,} predictions with {size_text(done.bytes)} of images, "
        f"{done.traffic:,} counts of traffic, {done.reports:,} reports."
    )


@main.command()
@click.option("--request-id", required=True, metavar="ID", help="As the client sent it.")
@click.option("--model", metavar="NAME", help="Of this model alone.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(request_id: str, model: str | None, yes: bool) -> None:
    """Delete a request everywhere: its predictions, images and labels."""
    from records.retention import delete as forget

    if not yes:
        click.confirm(f"Delete every record of request {request_id!r}?", abort=True)
    with _database() as database:
        database.check()
        gone = forget(database, request_id, model)
    if not gone.predictions:
        raise RecordsError(f"There is no record of request {request_id!r}.")
    click.echo(
        f"Deleted {gone.predictions:,} predictions, {gone.images:,} images, {gone.labels:,} labels."
    )
    if not gone.traceless:
        raise RecordsError(
            "Another program was reading, so the database's log still has them: run this again."
        )


@main.command()
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--model", metavar="NAME", help="Of this model alone.")
@click.option("--version", metavar="TAG", help="Of this version alone, as in clf:abc123.")
@click.option("--since", type=Since(), metavar="TIME", help="Such as 2030-01-31, in UTC, or 7d.")
@click.option("--until", type=Moment(), metavar="TIME", help="Before this moment; UTC.")
@click.option("--labelled", is_flag=True, help="Only what has a label.")
@click.option("--origin", multiple=True, type=click.Choice(_ORIGINS), help="By default all.")
@click.option("--no-images", is_flag=True, help="Leave the images out.")
@click.option("--overwrite", is_flag=True, help="Replace a FILE that is there, once all is done.")
def export(
    path: Path,
    model: str | None,
    version: str | None,
    since: timedelta | datetime | None,
    until: datetime | None,
    labelled: bool,
    origin: tuple[str, ...],
    no_images: bool,
    overwrite: bool,
) -> None:
    """Write records to a Parquet file, as they are at one moment."""
    from records.exporting import export as write

    if version is not None and ":" in version:
        name, _, version = version.partition(":")
        if model not in (None, name):
            raise click.UsageError(f"{name}:{version} is no version of {model}.")
        model = name
    with _database() as database:
        database.check()
        done = write(
            database,
            path,
            model=model,
            version=version,
            start=None if since is None else start_of(since, until or datetime.now(UTC)),
            end=until,
            labelled=labelled,
            origins=origin,
            with_images=not no_images,
            overwrite=overwrite,
        )
    click.echo(f"{path}: {done.rows:,} records, {size_text(done.bytes)}.")


@main.command(name="import")
@click.argument("path", metavar="[SOURCE]", required=False, type=click.Path(path_type=Path))
@click.option("--model", required=True, metavar="NAME", help="The model they are labels for.")
@click.option("--url", metavar="URL", help="The database to query, in place of SOURCE.")
@click.option("--query", metavar="SQL", help="What to ask it.")
@click.option("--image-column", default="image", show_default=True, metavar="NAME")
@click.option("--label-column", default="label", show_default=True, metavar="NAME")
@click.option("--integers", is_flag=True, help="Labels are integers, also where they are text.")
@click.option("--source", default="import", show_default=True, help="Who says so.")
@_json
def import_(
    path: Path | None,
    model: str,
    url: str | None,
    query: str | None,
    image_column: str,
    label_column: str,
    integers: bool,
    source: str,
    as_json: bool,
) -> None:
    """Take in labelled images: a folder with one sub-folder a class, a CSV or a Parquet file.

    A CSV's image column names files, a Parquet's or query's has their bytes or names. To import
    the same again changes nothing. Whatever is no image, or has no label, is skipped and listed.
    """
    if (path is None) == (url is None) or (url is None) != (query is None):
        raise click.UsageError("Name a SOURCE, or give --url and --query.")
    if not model:
        raise click.BadParameter("must be a model's name.", param_hint="--model")
    from records.importing import import_samples
    from records.sources import from_path, from_query

    if path is not None:
        samples = from_path(path, image_column, label_column)
    else:
        samples = from_query(url or "", query or "", image_column, label_column)
    with _database(create=True) as database:
        database.prepare()
        done = import_samples(database, samples, model, source=source, integers=integers)
    if as_json:
        click.echo(json.dumps(asdict(done), indent=2))
        return
    for fault in done.faults[:_LISTED]:
        click.echo(f"Skipped {fault.where}: {fault.reason}.", err=True)
    if len(done.faults) > _LISTED:
        more = len(done.faults) - _LISTED
        click.echo(f"... and {more:,} more; --json lists all.", err=True)
    click.echo(
        f"{done.added:,} images added, {done.unchanged:,} were there, {done.corrected:,} have "
        f"another label now, {len(done.faults):,} skipped."
    )


def _database(*, create: bool = False) -> "Database":
    from records.database import Database

    return Database.of(create=create, timeout=_PATIENCE)


if __name__ == "__main__":
    main(prog_name="python -m records")
