"""The budget of bytes for the records."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("since", sa.DateTime(timezone=True)),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    # A new database keeps it from the start; one with records, once it is within it.
    op.execute(
        "INSERT INTO budgets (name, since, bytes, at) "
        "SELECT 'records', CURRENT_TIMESTAMP, 0, CURRENT_TIMESTAMP "
        "WHERE NOT EXISTS (SELECT 1 FROM predictions)"
    )
