"""``python -m records``: inspect, import, export, prune and delete records."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

import cli
from errors import RecordsError
from records.backup_commands import backup, restore
from records.labelstudio_commands import labelstudio
from records.prediction import Origin
from records.routing import Alias
from records.units import Age, Moment, Since, Size, start_of
from settings import settings
from sizes import size_text

if TYPE_CHECKING:
    from records.database import Database

_MAX_LISTED = 20

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=cli.Group)
def main() -> None:
    """Records: what was predicted, and what was true.

    They are stored in the SQLite file records.db under PUPILA_HOME, or in the database that
    PUPILA_DATABASE_URL names.
    """


for command in (backup, restore, labelstudio):
    main.add_command(command)


@main.command()
def migrate() -> None:
    """Bring the database's schema up to date, or create a new database."""
    from records.schema import REVISION

    with _database(create=True) as database:
        before = database.migrate()
        name = database.name
    if before is not None and before >= REVISION:
        click.echo(f"{name}: schema {before} already.")
    else:
        click.echo(f"{name}: schema {REVISION}, {f'was {before}' if before else 'new'}.")


@main.command()
@_json
def stats(as_json: bool) -> None:
    """Show how many records each model has."""
    from records.stats import stats as count

    with _database() as database:
        database.check()
        counts = count(database)
    if as_json:
        click.echo(json.dumps(asdict(counts), indent=2, default=str))
        return
    if not counts.models:
        click.echo(f"{counts.database} ({size_text(counts.bytes)}) has no records yet.")
        return

    from records.table import stats_table

    cli.console().print(stats_table(counts))
    click.echo(f"\n{counts.database}: {size_text(counts.bytes)}")


@main.command()
@click.option("--older-than", type=Age(), metavar="AGE", help="For example 90m, 12h, 30d or 4w.")
@click.option("--max-rows", type=click.IntRange(0), metavar="N", help="Keep the newest N.")
@click.option("--max-bytes", type=Size(), metavar="SIZE", help="For example 500MB or 2GiB.")
@click.option("--labelled", is_flag=True, help="Delete records with a label, too.")
@_json
def prune(
    older_than: timedelta | None,
    max_rows: int | None,
    max_bytes: int | None,
    labelled: bool,
    as_json: bool,
) -> None:
    """Delete the oldest records, with their images, until every limit is met.

    Those with a label stay, unless --labelled is given. --older-than also applies to traffic and
    reports. Freed space is returned to the disk (on PostgreSQL, to new records). A server may keep
    writing meanwhile.
    """
    if older_than is None and max_rows is None and max_bytes is None:
        raise click.UsageError("Give at least one limit: --older-than, --max-rows or --max-bytes.")
    from records.retention import prune as prune_records

    with _database() as database:
        database.check()
        pruned = prune_records(
            database,
            older_than,
            max_rows,
            max_bytes,
            labelled=labelled,
            progress=cli.progress("{:,} predictions deleted so far"),
        )
    if as_json:
        click.echo(json.dumps(asdict(pruned)))
        return
    click.echo(
        f"Deleted {pruned.rows:,} predictions with {size_text(pruned.bytes)} of images, "
        f"{pruned.traffic:,} traffic counts, {pruned.reports:,} reports."
    )
    if pruned.kept:
        click.echo(f"Kept {pruned.kept:,} that have labels: --labelled deletes these too.")


@main.command()
@click.option("--request-id", required=True, metavar="ID", help="The id that the client sent.")
@click.option("--model", metavar="NAME", help="Only predictions of this model.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(request_id: str, model: str | None, yes: bool) -> None:
    """Delete a request everywhere: its predictions, images and labels, and what of its images was
    kept for training."""
    from models.store import Store
    from records.retention import delete as delete_request
    from records.retention import image_digests

    if not yes:
        click.confirm(f"Delete every record of request {request_id!r}?", abort=True)
    with _database() as database:
        database.check()
        # First: without its records, nothing would lead to them any more.
        store = click.get_current_context().ensure_object(Store)
        forgotten = store.training_images.forget(image_digests(database, request_id, model))
        deleted = delete_request(database, request_id, model)
    if not deleted.predictions:
        raise RecordsError(f"No records of request {request_id!r} found.")
    click.echo(
        f"Deleted {deleted.predictions:,} predictions, {deleted.images:,} images, "
        f"{deleted.labels:,} labels."
    )
    if forgotten.images:
        versions = ", ".join(forgotten.versions)
        click.echo(
            f"Deleted {forgotten.images:,} training images of {versions}; what these versions have "
            "learned from them stays until they are retrained and deleted."
        )
    if not deleted.traceless:
        raise RecordsError(
            "Another program was reading, so the database's log still contains them: "
            "run the command again."
        )


@main.command()
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--model", metavar="NAME", help="Only this model.")
@click.option("--version", metavar="TAG", help="Only this version: clf:abc123, or clf:champion.")
@click.option("--since", type=Since(), metavar="TIME", help="For example 2030-01-31 (UTC) or 7d.")
@click.option("--until", type=Moment(), metavar="TIME", help="Only records before this time, UTC.")
@click.option("--labelled", is_flag=True, help="Only records with a label.")
@click.option("--origin", multiple=True, type=click.Choice(get_args(Origin)), help="Default: all.")
@click.option("--no-images", is_flag=True, help="Leave out the images.")
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists, when all is written.")
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
    """Write records to a Parquet file: a consistent snapshot."""
    from records.exporting import export as write

    if version is not None and ":" in version:
        name, _, version = version.partition(":")
        if model not in (None, name):
            raise click.UsageError(f"{name}:{version} is not a version of {model}.")
        model = name
    with _database() as database:
        database.check()
        if model is not None and version is not None and version in get_args(Alias):
            version = _named(model, version)
        exported = write(
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
    click.echo(f"{path}: {exported.rows:,} records, {size_text(exported.bytes)}.")


@main.command(name="import")
@click.argument("path", metavar="[SOURCE]", required=False, type=click.Path(path_type=Path))
@click.option("--model", required=True, metavar="NAME", help="The model that the labels are for.")
@click.option("--url", metavar="URL", help="A database to query, instead of SOURCE.")
@click.option("--query", metavar="SQL", help="The query to run there.")
@click.option("--image-column", default="image", show_default=True, metavar="NAME")
@click.option("--label-column", default="label", show_default=True, metavar="NAME")
@click.option("--integers", is_flag=True, help="Read labels as integers.")
@click.option("--source", default="import", show_default=True, help="Who labelled them.")
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
    """Import labelled images: a folder with a subfolder for each class, a CSV or a Parquet file.

    The image column of a CSV has file names; that of a Parquet file or query has bytes or file
    names. Importing an image again changes nothing. Rows without a readable image or a label are
    skipped and listed.
    """
    if (path is None) == (url is None) or (url is None) != (query is None):
        raise click.UsageError("Give a SOURCE, or --url and --query.")
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
        result = import_samples(
            database,
            samples,
            model,
            source=source,
            integers=integers,
            max_pixels=settings().max_image_pixels,
        )
    if as_json:
        click.echo(json.dumps(asdict(result), indent=2))
        return
    for fault in result.faults[:_MAX_LISTED]:
        click.echo(f"Skipped {fault.where}: {fault.reason}.", err=True)
    if len(result.faults) > _MAX_LISTED:
        more = len(result.faults) - _MAX_LISTED
        click.echo(f"... and {more:,} more; --json lists all.", err=True)
    click.echo(
        f"{result.added:,} images added, {result.unchanged:,} unchanged, "
        f"{result.corrected:,} relabelled, {len(result.faults):,} skipped."
    )


def _named(model: str, alias: str) -> str:
    """The version that has the alias. Raises RecordsError if none has."""
    from records.current import champions

    routing = champions().get(model)
    version = getattr(routing, alias, None)
    if version is None:
        raise RecordsError(f"Model {model!r} has no {alias} by name: write the version's tag.")
    return str(version)


def _database(*, create: bool = False) -> "Database":
    from records.database import COMMAND_SECONDS, Database

    return Database.of(create=create, timeout=COMMAND_SECONDS)


if __name__ == "__main__":
    main(prog_name="python -m records")
