"""Aliases, rollouts and their decisions, pairs, verdicts, requests for labels, retrainings,
notices."""

import sqlalchemy as sa
from alembic import op

from records.migrations.appending import append_only

revision = "0003"
down_revision = "0002"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT = sa.DateTime(timezone=True)


def _of_prediction() -> sa.Column[int]:
    return sa.Column(
        "prediction_id",
        _ID,
        sa.ForeignKey("predictions.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )


def upgrade() -> None:
    op.create_table(
        "aliases",
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("alias", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("since", _AT, nullable=False),
        sa.PrimaryKeyConstraint("model", "alias"),
    )
    op.create_table(
        "rollouts",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("champion", sa.Text, nullable=False),
        sa.Column("challenger", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("share", sa.Double, nullable=False),
        sa.Column("shadow", sa.Double, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("started_at", _AT, nullable=False),
        sa.Column("stage_at", _AT, nullable=False),
        sa.Column("ended_at", _AT),
        sqlite_autoincrement=True,
    )
    op.create_index("rollouts_model_id_idx", "rollouts", ["model", "id"])
    op.create_table(
        "decisions",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("at", _AT, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("because", sa.Text, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("rollout_id", _ID),
        sa.Column("numbers", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("decisions_model_id_idx", "decisions", ["model", "id"])
    op.create_table(
        "pairs",
        _of_prediction(),
        sa.Column("rollout_id", _ID, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("probabilities", sa.LargeBinary),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("differ", sa.Boolean),
    )
    op.create_index("pairs_rollout_id_differ_idx", "pairs", ["rollout_id", "differ"])
    op.create_table(
        "label_requests",
        _of_prediction(),
        sa.Column("drawn", sa.Text, nullable=False),
        sa.Column("rollout_id", _ID),
        sa.Column("at", _AT, nullable=False),
    )
    op.create_table(
        "verdicts",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("at", _AT, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("champion", sa.Text, nullable=False),
        sa.Column("challenger", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("verdicts_model_challenger_id_idx", "verdicts", ["model", "challenger", "id"])
    op.create_table(
        "workers",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", _AT, nullable=False),
        sa.Column("decision", sa.BigInteger, nullable=False),
        sa.Column("versions", sa.Text, nullable=False),
    )
    op.create_table(
        "retrainings",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("champion", sa.Text, nullable=False),
        sa.Column("challenger", sa.Text),
        sa.Column("verdict_id", _ID),
        sa.Column("rollout_id", _ID),
        sa.Column("started_at", _AT, nullable=False),
        sa.Column("ended_at", _AT),
        sqlite_autoincrement=True,
    )
    op.create_index("retrainings_model_id_idx", "retrainings", ["model", "id"])
    op.create_table(
        "notices",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("id", _ID, nullable=False, autoincrement=False),
        sa.Column("at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "id"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("until", _AT, nullable=False),
    )
    append_only("decisions")
    op.add_column("labels", sa.Column("drawn", sa.Text))
