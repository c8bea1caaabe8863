"""``python -m console.exporting``: what the page of the data hands out as a file.

A process of its own, since Parquet needs a library that a server does not load, and writing a
million images takes minutes.
"""

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
from sqlalchemy import func, select

from console.progress import Progress, StoppedError
from errors import PupilaError
from images.decoding import examine
from images.formats import sniff
from records.browsing import ids_with_image
from records.chunks import chunks
from records.database import COMMAND_SECONDS, Database
from records.exporting import export
from records.schema import predictions
from records.windows import conditions, read

_GROUP: Final = 50
_UNLABELLED: Final = "_unlabelled"
_MOST_NAME: Final = 80


@click.command()
@click.option("--model", required=True)
@click.option("--kind", type=click.Choice(["parquet", "folder"]), required=True)
@click.option("--labelled", is_flag=True)
@click.option("--progress", type=click.Path(path_type=Path))
@click.argument("path", type=click.Path(path_type=Path))
def main(model: str, kind: str, labelled: bool, progress: Path | None, path: Path) -> None:
    """Write the records of a model to PATH, which may exist."""
    try:
        with Database.of(timeout=COMMAND_SECONDS) as database:
            database.check()
            tell = None
            if progress is not None:
                tell = Progress(progress, how_many(database, model, labelled=labelled))
            if kind == "parquet":
                export(database, path, model=model, labelled=labelled, overwrite=True, tell=tell)
            else:
                write_folder(database, path, model, labelled=labelled, tell=tell)
    except (PupilaError, StoppedError) as error:
        click.echo(str(error))
        sys.exit(1)


def how_many(database: Database, model: str, *, labelled: bool) -> int:
    """Predictions that an export looks at."""
    chosen = conditions(model, labelled=labelled)
    with database.reading() as connection:
        statement = select(func.count()).select_from(predictions).where(*chosen)
        return int(connection.execute(statement).scalar_one())


def write_folder(
    database: Database,
    path: Path,
    model: str,
    *,
    labelled: bool,
    tell: Callable[[int], None] | None = None,
) -> int:
    """A zip archive with a folder for each class, as trainings read it; returns the number of its
    images. Those without an agreed label are in a folder of their own, unless only ``labelled``
    ones are wanted. ``tell`` is called with how many were looked at. Raises DatabaseError."""
    written = looked_at = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for ids in chunks(ids_with_image(database, model, labelled=labelled), _GROUP):
            with database.reading() as connection:
                records = read(connection, ids)
            for record in records:
                if record.image is None or (labelled and record.truth is None):
                    continue
                suffix = _suffix(record.image)
                if suffix is None:
                    continue
                folder = _UNLABELLED if record.truth is None else file_name(str(record.truth))
                archive.writestr(f"{folder}/{record.id}{suffix}", record.image)
                written += 1
            looked_at += len(ids)
            if tell is not None:
                tell(looked_at)
    return written


def file_name(label: str) -> str:
    """A label as a folder's name: whatever somebody called a class, it names no other place."""
    safe = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in label)
    return safe.strip(". ")[:_MOST_NAME] or "_"


def _suffix(image: bytes) -> str | None:
    try:
        examine(image)
    except PupilaError:
        return None
    return min(sniff(image).suffixes)


if __name__ == "__main__":
    main()
