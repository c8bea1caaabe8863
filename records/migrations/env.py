"""Run by Alembic, on the connection from ``upgrade``."""

from alembic import context

from records.schema import SCHEMA_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=SCHEMA_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
