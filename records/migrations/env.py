"""Run by Alembic, on the connection from ``upgrade``."""

from alembic import context

import records.rollout_schema  # noqa: F401 - its tables join the metadata
from records.schema import SCHEMA_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=SCHEMA_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
