"""Rows that count: adding to one that is there, or else making it."""

from functools import cache

from sqlalchemy import Executable, Table


@cache
def adding(table: Table, dialect: str) -> Executable:
    """Inserts rows whose ``count`` is added to that of a row with the same primary key.

    Only one of the dialects is imported: PostgreSQL's takes 2 MB of each worker.
    """
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    statement = insert(table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={"count": table.c.count + statement.excluded.count},
    )
