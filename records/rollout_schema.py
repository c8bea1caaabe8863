"""The tables of aliases and rollouts, and of what they are decided by."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from records.columns import AnyText, LabelText, UtcDateTime
from records.schema import ID, MAX_NAME_LENGTH, metadata

# Which version answers under which name; see records.aliases. No row for a model: its newest
# version is the champion.
aliases = Table(
    "aliases",
    metadata,
    Column("model", AnyText(MAX_NAME_LENGTH), nullable=False),
    # 'champion' or 'challenger'.
    Column("alias", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("version", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("model", "alias"),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("model", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("champion", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("challenger", AnyText(MAX_NAME_LENGTH), nullable=False),
    # 'shadow', 'canary'; then 'promoted', 'rolled back' or 'aborted'.
    Column("stage", AnyText(MAX_NAME_LENGTH), nullable=False),
    # Proportions of the requests that the challenger answers, and of those that both classify.
    Column("share", Double, nullable=False),
    Column("shadow", Double, nullable=False),
    Column("paused", Boolean, nullable=False),
    # JSON: the rule by which it moves on, as it was when the rollout began.
    Column("rule", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    # When its present stage, or share, began.
    Column("stage_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Index("rollouts_model_id_idx", "model", "id"),
    sqlite_autoincrement=True,
)

# Append-only, by triggers. Every change of the two tables above is a row here, in the same
# transaction; so the highest id tells a server whether anything has changed.
decisions = Table(
    "decisions",
    metadata,
    Column("id", ID, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("model", AnyText(MAX_NAME_LENGTH), nullable=False),
    # See records.routing.Action.
    Column("action", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("actor", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("because", AnyText, nullable=False),
    # The champion before and after.
    Column("before", AnyText(MAX_NAME_LENGTH)),
    Column("after", AnyText(MAX_NAME_LENGTH)),
    Column("rollout_id", ID),
    # JSON: what it was decided by.
    Column("numbers", Text, nullable=False),
    Index("decisions_model_id_idx", "model", "id"),
    sqlite_autoincrement=True,
)

# What the other version made of the image of a prediction, while both were compared.
pairs = Table(
    "pairs",
    metadata,
    Column(
        "prediction_id",
        ID,
        ForeignKey("predictions.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("rollout_id", ID, nullable=False),
    Column("version", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("role", AnyText(MAX_NAME_LENGTH), nullable=False),
    # NULL if it failed.
    Column("label", LabelText),
    Column("probabilities", LargeBinary),
    Column("seconds", Double, nullable=False),
    Column("failure", AnyText),
    # Whether the labels differ; NULL if one of them failed.
    Column("differ", Boolean),
    Index("pairs_rollout_id_differ_idx", "rollout_id", "differ"),
)

# Predictions whose true label somebody was asked for, and by whom: the first who asked counts.
label_requests = Table(
    "label_requests",
    metadata,
    Column(
        "prediction_id",
        ID,
        ForeignKey("predictions.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    # 'random', 'monitor' or 'rollout'.
    Column("drawn", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("rollout_id", ID),
    Column("at", UtcDateTime, nullable=False),
)

# Judgements of the gate.
verdicts = Table(
    "verdicts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("model", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("champion", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("challenger", AnyText(MAX_NAME_LENGTH), nullable=False),
    # 'passed', 'refused' or 'too few images'.
    Column("outcome", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("body", Text, nullable=False),
    Index("verdicts_model_challenger_id_idx", "model", "challenger", "id"),
    sqlite_autoincrement=True,
)

# One row for each worker of each server that is alive, or was a while ago.
workers = Table(
    "workers",
    metadata,
    Column("id", AnyText(MAX_NAME_LENGTH), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    # The newest decision that it acts on.
    Column("decision", BigInteger, nullable=False),
    # A JSON array of tags that it could answer with.
    Column("versions", Text, nullable=False),
)

retrainings = Table(
    "retrainings",
    metadata,
    Column("id", ID, primary_key=True),
    Column("model", AnyText(MAX_NAME_LENGTH), nullable=False),
    # 'accuracy', 'labels', 'age' or 'asked'.
    Column("trigger", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("reason", AnyText, nullable=False),
    # See records.retrainings.State.
    Column("state", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("detail", AnyText, nullable=False),
    Column("champion", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("challenger", AnyText(MAX_NAME_LENGTH)),
    Column("verdict_id", ID),
    Column("rollout_id", ID),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Index("retrainings_model_id_idx", "model", "id"),
    sqlite_autoincrement=True,
)

# What the webhook was told, and when; with it a row of id 0 from when it was told first.
notices = Table(
    "notices",
    metadata,
    # 'decision' or 'retraining'.
    Column("kind", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("id", ID, nullable=False, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("kind", "id"),
)

# Who does alone what only one process may do, and until when unless it is renewed.
leases = Table(
    "leases",
    metadata,
    Column("name", AnyText(MAX_NAME_LENGTH), primary_key=True),
    Column("owner", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("until", UtcDateTime, nullable=False),
)
