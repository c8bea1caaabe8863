"""``python -m console.trial``: judge a version by the gate and begin its rollout, for a visitor.

A process of its own, since the gate needs libraries that a server does not load.
"""

import sys

import click

from errors import PupilaError
from models.store import Store
from records.current import champions
from records.database import COMMAND_SECONDS, Database
from rollout.starting import begin
from settings import settings


@click.command()
@click.option("--actor", required=True)
@click.option("--because", required=True)
@click.option("--anyway", is_flag=True)
@click.argument("tag")
def main(actor: str, because: str, tag: str, anyway: bool) -> None:
    """Begin the rollout of TAG."""
    try:
        with Database.of(timeout=COMMAND_SECONDS) as database:
            database.check()
            store = Store(aliases=champions)
            started = begin(
                database, store, tag, settings(), actor=actor, because=because, anyway=anyway
            )
    except PupilaError as error:
        click.echo(str(error))
        sys.exit(1)
    click.echo(started.verdict.because)


if __name__ == "__main__":
    main()
