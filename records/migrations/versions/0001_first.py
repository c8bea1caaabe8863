"""Predictions with their images and labels, traffic, reports."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Written out, not taken from records.schema: that changes, and this must not.
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "predictions",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("at", _AT, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("label", sa.Text),
        sa.Column("confidence", sa.Double),
        sa.Column("probabilities", sa.LargeBinary),
        sa.Column("weight", sa.Double),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("image_bytes", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "predictions_request_id_model_id_idx", "predictions", ["request_id", "model", "id"]
    )
    op.create_index("predictions_model_at_idx", "predictions", ["model", "at"])
    op.create_index("predictions_at_idx", "predictions", ["at"])
    op.create_table(
        "images",
        sa.Column("prediction_id", _ID, primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["prediction_id"], ["predictions.id"], ondelete="CASCADE"),
    )
    op.create_table(
        "labels",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("prediction_id", _ID, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("known", sa.Boolean),
        sa.Column("at", _AT, nullable=False),
        sa.ForeignKeyConstraint(["prediction_id"], ["predictions.id"], ondelete="CASCADE"),
        sqlite_autoincrement=True,
    )
    op.create_index("labels_prediction_id_idx", "labels", ["prediction_id"])
    op.create_index("labels_model_at_idx", "labels", ["model", "at"])
    op.create_table(
        "traffic",
        sa.Column("minute", _AT),
        sa.Column("model", sa.Text),
        sa.Column("version", sa.Text),
        sa.Column("role", sa.Text),
        sa.Column("kind", sa.Text),
        sa.Column("key", sa.Text),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("minute", "model", "version", "role", "kind", "key"),
    )
    op.create_table(
        "reports",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("at", _AT, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("window_start", _AT),
        sa.Column("window_end", _AT),
        sa.Column("images", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("p_value", sa.Double),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("reports_model_kind_id_idx", "reports", ["model", "kind", "id"])
