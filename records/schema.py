"""The tables, for SQLite and PostgreSQL alike."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from records.columns import AnyText, LabelText, UtcDateTime

# The newest of records/migrations/versions; here, so that a server need not load Alembic to check.
REVISION: Final = "0001"
# Not Alembic's own name: another program that uses Alembic may live in the same database.
VERSION_TABLE: Final = "records_version"
LONGEST_ID: Final = 128

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

# SQLite counts up by itself only a column that is called INTEGER, of 64 bits all the same.
_Id = BigInteger().with_variant(Integer, "sqlite")

predictions = Table(
    "predictions",
    metadata,
    Column("id", _Id, primary_key=True),
    # Not unique: clients repeat their ids, and the newest counts.
    Column("request_id", AnyText(LONGEST_ID), nullable=False),
    Column("model", AnyText(LONGEST_ID), nullable=False),
    Column("version", AnyText(LONGEST_ID), nullable=False),
    Column("role", AnyText(LONGEST_ID), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", AnyText),
    Column("label", LabelText),
    Column("confidence", Double),
    # Little-endian float32, in the order of the version's labels.
    Column("probabilities", LargeBinary),
    # 1 / probability of having been kept; none where no sampling chose the row.
    Column("weight", Double),
    # 'traffic', 'feedback' or 'import'.
    Column("origin", AnyText(LONGEST_ID), nullable=False),
    Column("image_bytes", BigInteger, nullable=False),
    Index("predictions_request_id_model_id_idx", "request_id", "model", "id"),
    Index("predictions_model_at_idx", "model", "at"),
    Index("predictions_at_idx", "at"),
    # An id is never given twice, even after the newest row was deleted.
    sqlite_autoincrement=True,
)

# By themselves, so that reading many predictions does not read their images.
images = Table(
    "images",
    metadata,
    Column(
        "prediction_id",
        _Id,
        ForeignKey("predictions.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("content", LargeBinary, nullable=False),
)

# Only ever added to: a source's current label of a prediction is its newest row.
labels = Table(
    "labels",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("prediction_id", _Id, ForeignKey("predictions.id", ondelete="CASCADE"), nullable=False),
    Column("request_id", AnyText(LONGEST_ID), nullable=False),
    Column("model", AnyText(LONGEST_ID), nullable=False),
    Column("label", LabelText, nullable=False),
    Column("source", AnyText(LONGEST_ID), nullable=False),
    # Whether the model has this class; none where that could not be told.
    Column("known", Boolean),
    Column("at", UtcDateTime, nullable=False),
    Index("labels_prediction_id_idx", "prediction_id"),
    Index("labels_model_at_idx", "model", "at"),
    sqlite_autoincrement=True,
)

# Of all requests, kept or not, by minute. kind and key: 'status' and '200'; 'latency' and its
# bucket's upper bound in seconds, '0.005' or '+Inf'; 'label' and its JSON.
traffic = Table(
    "traffic",
    metadata,
    Column("minute", UtcDateTime, nullable=False),
    Column("model", AnyText(LONGEST_ID), nullable=False),
    Column("version", AnyText(LONGEST_ID), nullable=False),
    Column("role", AnyText(LONGEST_ID), nullable=False),
    Column("kind", AnyText(LONGEST_ID), nullable=False),
    Column("key", AnyText(1600), nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("minute", "model", "version", "role", "kind", "key"),
)

reports = Table(
    "reports",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("model", AnyText(LONGEST_ID), nullable=False),
    Column("version", AnyText(LONGEST_ID), nullable=False),
    # 'quality', 'drift' or 'accuracy'.
    Column("kind", AnyText(LONGEST_ID), nullable=False),
    Column("window_start", UtcDateTime),
    Column("window_end", UtcDateTime),
    Column("images", BigInteger, nullable=False),
    # 'calm', 'warn', 'alarm' or 'unknown'.
    Column("state", AnyText(LONGEST_ID), nullable=False),
    Column("p_value", Double),
    Column("body", Text, nullable=False),
    Index("reports_model_kind_id_idx", "model", "kind", "id"),
    sqlite_autoincrement=True,
)
