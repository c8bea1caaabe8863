"""``python -m records backup`` and ``restore``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import cli
from sizes import size_text

if TYPE_CHECKING:
    from records.contents import Contents

# What people ask for; --json has every table.
_SHOWN: Final = {"predictions": "prediction", "labels": "label", "decisions": "decision"}

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command(cls=cli.Command)
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists, when all is written.")
@_json
def backup(path: Path, overwrite: bool, as_json: bool) -> None:
    """Write everything in the database to FILE, as it is at this moment, and read it again.

    Servers may go on. Of SQLite, FILE is a database; of PostgreSQL it is an archive of pg_dump,
    which must be installed. It holds images, labels and the digests of keys: keep it as you keep
    the database. Versions of models are kept with python -m models backup.
    """
    from records.backup import back_up
    from records.database import COMMAND_SECONDS, Database

    with Database.of(timeout=COMMAND_SECONDS) as database:
        done = back_up(database, path, overwrite=overwrite, progress=cli.progress("{} % copied"))
    _print(f"{path}: {{}}, {size_text(done.bytes)}, read again and whole.", done, as_json)


@click.command(cls=cli.Command)
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Lose the records that the database has now.")
@_json
def restore(path: Path, replace: bool, as_json: bool) -> None:
    """Put the database back to what FILE holds: all of it, or it stays as it is.

    Servers may go on: they follow within two seconds. Keys that were revoked since the backup stay
    revoked. Requests that were deleted since come back: delete them again.
    """
    from records.backup import restore as restore_from
    from records.database import COMMAND_SECONDS, Database

    with Database.of(create=True, timeout=COMMAND_SECONDS) as database:
        done = restore_from(database, path, replace=replace, progress=cli.progress("{} % restored"))
        name = database.name
    _print(f"{name}: restored {{}}.", done, as_json)


def _print(sentence: str, done: "Contents", as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(done), indent=2))
        return
    counts = (cli.counted(done.rows.get(table, 0), noun) for table, noun in _SHOWN.items())
    click.echo(sentence.format(", ".join(counts)))
