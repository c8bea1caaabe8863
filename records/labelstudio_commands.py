"""``python -m records labelstudio``: tasks for Label Studio, and its annotations as labels."""

import json
from dataclasses import asdict
from pathlib import Path

import click

import cli

_key = click.option(
    "--key", default="image", show_default=True, help="The field of the image in a task's data."
)
_model = click.option("--model", required=True, metavar="NAME", help="Whose images they are.")


@click.group(cls=cli.Group)
def labelstudio() -> None:
    """Exchange images and labels with Label Studio by files."""


@labelstudio.command()
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@_model
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--from-name", default="label", show_default=True, help="Name of <Choices>.")
@click.option("--to-name", default="image", show_default=True, help="Name of <Image>.")
@_key
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists, when all is written.")
def export(
    path: Path, model: str, limit: int, from_name: str, to_name: str, key: str, overwrite: bool
) -> None:
    """Write images without a label to FILE, for Label Studio to import: the least sure first.

    Each has the label that was predicted, and its image within.
    """
    from records.database import COMMAND_SECONDS, Database
    from records.labelstudio_files import write_tasks

    with Database.of(timeout=COMMAND_SECONDS) as database:
        database.check()
        count = write_tasks(
            database,
            path,
            model,
            limit=limit,
            from_name=from_name,
            to_name=to_name,
            key=key,
            overwrite=overwrite,
        )
    click.echo(f"{path}: {count:,} tasks.")


@labelstudio.command(name="import")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, path_type=Path))
@_model
@_key
@click.option("--only-add", is_flag=True, help="Delete no labels: FILE has not all annotations.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_(path: Path, model: str, key: str, only_add: bool, as_json: bool) -> None:
    """Make the labels those of FILE, which Label Studio has exported as JSON.

    Labels of annotations that are no longer there, of the same projects, are deleted. What webhooks
    have brought already changes nothing.
    """
    from records.database import COMMAND_SECONDS, Database
    from records.labelstudio_files import reconcile

    with Database.of(create=True, timeout=COMMAND_SECONDS) as database:
        database.prepare()
        done = reconcile(database, path, model, key, only_add=only_add)
    if as_json:
        click.echo(json.dumps(asdict(done), indent=2))
        return
    click.echo(
        f"{done.added:,} labels added, {done.unchanged:,} unchanged, {done.corrected:,} corrected, "
        f"{done.deleted:,} deleted."
    )
    if done.unknown:
        click.echo(
            f"{done.unknown:,} annotations are of images that the records do not have; they are "
            "left out.",
            err=True,
        )
