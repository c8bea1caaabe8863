"""Whether an image was known, and whether its version abstained."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("predictions", sa.Column("known", sa.Boolean))
    op.add_column("predictions", sa.Column("abstained", sa.Boolean))
