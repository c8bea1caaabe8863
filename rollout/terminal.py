"""What the commands of rollouts work on, and print to."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from models.store import Store
    from records.database import Database


def open_database() -> "Database":
    """Of the command's context, if its caller put a store and a database there.

    Raises SchemaError unless it has the schema that this code needs.
    """
    from records.database import COMMAND_SECONDS, Database

    given = click.get_current_context().obj
    database: Database = given[1] if given else Database.of(timeout=COMMAND_SECONDS)
    database.check()
    return database


def open_store() -> "Store":
    """Of the command's context, if its caller put one there."""
    from models.store import Store
    from records.current import champions

    given = click.get_current_context().obj
    return given[0] if given else Store(aliases=champions)
