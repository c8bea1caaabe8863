"""Keys, how often they are used, and who did what."""

import sqlalchemy as sa
from alembic import op

from records.migrations.appending import append_only

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "keys",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("models", sa.Text),
        sa.Column("rate", sa.Double),
        sa.Column("daily", sa.BigInteger),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("expires_at", _AT),
        sa.Column("revoked_at", _AT),
        sa.Column("version", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("keys_name_idx", "keys", ["name"], unique=True)
    op.create_index("keys_version_idx", "keys", ["version"])
    op.create_table(
        "key_usage",
        sa.Column("day", sa.Date),
        sa.Column("name", sa.Text),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("day", "name"),
    )
    op.create_table(
        "audit",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("at", _AT, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    append_only("audit")
    op.add_column("labels", sa.Column("key", sa.Text))
    op.add_column("labels", sa.Column("remark", sa.Text))
