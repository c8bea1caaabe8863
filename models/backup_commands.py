"""``python -m models backup`` and ``restore``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import cli
from errors import ModelError

if TYPE_CHECKING:
    from models.backup import Copied

_folder = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
_names = click.option("--name", "names", multiple=True, metavar="NAME", help="Only this model.")


@click.command(cls=cli.Command)
@_folder
@_names
def backup(folder: Path, names: tuple[str, ...]) -> None:
    """Copy every version that FOLDER lacks into it, with the images that it was trained on.

    Servers may go on. Versions that were deleted stay in FOLDER. It is a store itself, and holds
    images: keep it as you keep the store. Records are kept with python -m records backup.
    """
    from models.backup import backup_store, copy_versions
    from models.store import Store

    _print(copy_versions(Store(), backup_store(folder, create=True), names), f"to {folder}")


@click.command(cls=cli.Command)
@_folder
@_names
def restore(folder: Path, names: tuple[str, ...]) -> None:
    """Copy every version that the store lacks back from FOLDER.

    Each is checked against its manifest first. Servers may go on, and find them within seconds;
    where no alias says who is champion, the newest version answers.
    """
    from models.backup import backup_store, copy_versions
    from models.store import Store

    _print(copy_versions(backup_store(folder), Store(), names), f"from {folder}")


def _print(done: "Copied", where: str) -> None:
    for fault in done.faults:
        click.echo(f"Not copied: {fault}.", err=True)
    for fault in done.lost:
        click.echo(f"Training images not copied: {fault}.", err=True)
    click.echo(
        f"Copied {cli.counted(len(done.versions), 'version')} {where}, "
        f"{len(done.images):,} with training images; {len(done.present):,} were there already."
    )
    if done.faults:
        raise ModelError(f"{cli.counted(len(done.faults), 'version')} could not be copied.")
    if done.lost:
        count = cli.counted(len(done.lost), "version")
        raise ModelError(f"The training images of {count} could not all be copied.")
