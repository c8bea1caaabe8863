"""What a database or a backup of it holds."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, inspect, text

from records.schema import metadata

Progress = Callable[[int], None]
"""Told how much is done, in percent."""


@dataclass(frozen=True)
class Contents:
    """A backup's schema, the rows of each of its tables, and its size: it was read to the end."""

    schema: str
    rows: dict[str, int]
    bytes: int


def counted(connection: Connection) -> dict[str, int]:
    """The rows of each of our tables that there are."""
    present = set(inspect(connection).get_table_names())
    return {
        table.name: int(
            connection.execute(text(f"SELECT count(*) FROM {table.name}")).scalar_one()  # noqa: S608
        )
        for table in metadata.sorted_tables
        if table.name in present
    }
