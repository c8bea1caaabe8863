"""``python -m models compare``: two versions side by side, judged as the gate would."""

from pathlib import Path

import click

import cli
from errors import SchemaError
from models.lineage import open_store


@click.command(cls=cli.Command)
@click.argument("first", metavar="TAG")
@click.argument("second", metavar="TAG")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the verdict as a page."
)
def compare(first: str, second: str, html: Path | None) -> None:
    """Compare two versions: recipe and data, then both on the same images, as the gate does.

    The first is taken for the champion: on the images that it was validated on, and on production's
    labels, if there are any that were asked for at random.
    """
    from models.report import comparison_table
    from records.database import Database
    from rollout.gate import gate, rule_of
    from rollout.page import write
    from rollout.table import verdict_tables
    from settings import settings

    store = open_store()
    versions = store.get(first), store.get(second)
    with Database.of() as database:
        try:
            database.check()
            records: Database | None = database
        except SchemaError:
            records = None
        # Of photos, half a minute.
        click.echo("Comparing them on the same images ...", err=True)
        verdict = gate(*versions, rule_of(settings()), records, store)
    if html is not None:
        write(verdict, html)
    terminal = cli.console()
    terminal.print(comparison_table(*versions))
    for table in verdict_tables(verdict):
        terminal.print()
        terminal.print(table)
