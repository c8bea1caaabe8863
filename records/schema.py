"""The tables, for SQLite and PostgreSQL alike."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
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

# The newest of records/migrations/versions; here, so that a server can check it without Alembic.
REVISION: Final = "0005"
# The oldest schema whose code can use a database of this one. It rises with a migration that does
# more than add tables and nullable columns, and so do not newer servers lock out older ones.
COMPATIBLE: Final = "0001"
# Has COMPATIBLE, and is the only one that version 0.1 looks at.
VERSION_TABLE: Final = "records_version"
# Alembic's own; not its default, since another program in the same database may use that.
SCHEMA_TABLE: Final = "records_schema"
MAX_NAME_LENGTH: Final = 128

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

# SQLite only autoincrements a column of type INTEGER, which has 64 bits there.
ID = BigInteger().with_variant(Integer, "sqlite")

predictions = Table(
    "predictions",
    metadata,
    Column("id", ID, primary_key=True),
    # Not unique: clients repeat ids; the newest counts.
    Column("request_id", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("model", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("version", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("role", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", AnyText),
    Column("label", LabelText),
    Column("confidence", Double),
    # Little-endian float32, in the order of the version's labels.
    Column("probabilities", LargeBinary),
    # 1 / the probability of having been kept; NULL if the row was not sampled.
    Column("weight", Double),
    # Whether the image is like those of the training; NULL if nobody has looked.
    Column("known", Boolean),
    # Whether the client got no label, since the version was told to abstain: ``label`` is what it
    # would have been. NULL for a version that never abstains.
    Column("abstained", Boolean),
    # 'traffic', 'feedback' or 'import'.
    Column("origin", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("image_bytes", BigInteger, nullable=False),
    Index("predictions_request_id_model_id_idx", "request_id", "model", "id"),
    Index("predictions_model_at_idx", "model", "at"),
    Index("predictions_at_idx", "at"),
    # Never reuse an id, even after the newest row was deleted.
    sqlite_autoincrement=True,
)

# In a table of their own, so that reading predictions does not read their images.
images = Table(
    "images",
    metadata,
    Column(
        "prediction_id",
        ID,
        ForeignKey("predictions.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("content", LargeBinary, nullable=False),
)

# Append-only: the newest row of a source is its current label of a prediction.
labels = Table(
    "labels",
    metadata,
    Column("id", ID, primary_key=True),
    Column("prediction_id", ID, ForeignKey("predictions.id", ondelete="CASCADE"), nullable=False),
    Column("request_id", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("model", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("label", LabelText, nullable=False),
    # Of a label that came with a key, the key's name.
    Column("source", AnyText(MAX_NAME_LENGTH), nullable=False),
    # Whether the model has this class; NULL if that could not be determined.
    Column("known", Boolean),
    Column("at", UtcDateTime, nullable=False),
    # The name of the key that it came with; NULL for whoever reached a server without keys.
    Column("key", AnyText(MAX_NAME_LENGTH)),
    # What the sender of a label with a key called its source.
    Column("remark", AnyText(MAX_NAME_LENGTH)),
    # How its image was chosen to be labelled: see records.requests.
    Column("drawn", AnyText(MAX_NAME_LENGTH)),
    Index("labels_prediction_id_idx", "prediction_id"),
    Index("labels_model_at_idx", "model", "at"),
    sqlite_autoincrement=True,
)

# All requests, kept or not, by minute. kind and key: 'status' and '200'; 'latency' and the upper
# bound of a bucket in seconds, '0.005' or '+Inf'; 'label' and its JSON; for 'trial', 'pair' and
# 'change' of a rollout see records.kinds.
traffic = Table(
    "traffic",
    metadata,
    Column("minute", UtcDateTime, nullable=False),
    Column("model", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("version", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("role", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("kind", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("key", AnyText(1600), nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("minute", "model", "version", "role", "kind", "key"),
)

reports = Table(
    "reports",
    metadata,
    Column("id", ID, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("model", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("version", AnyText(MAX_NAME_LENGTH), nullable=False),
    # 'quality', 'drift' or 'accuracy'.
    Column("kind", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("window_start", UtcDateTime),
    Column("window_end", UtcDateTime),
    Column("images", BigInteger, nullable=False),
    # 'calm', 'warn', 'alarm' or 'unknown'.
    Column("state", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("p_value", Double),
    Column("body", Text, nullable=False),
    Index("reports_model_kind_id_idx", "model", "kind", "id"),
    sqlite_autoincrement=True,
)

# A limit of bytes that the servers keep by themselves, see records.budget: since when, NULL while
# they do not, and what there was when they last looked.
budgets = Table(
    "budgets",
    metadata,
    Column("name", AnyText(MAX_NAME_LENGTH), primary_key=True),
    Column("since", UtcDateTime),
    Column("bytes", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# Rows are never deleted, so that a server can tell whether it ever had keys.
keys = Table(
    "keys",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", AnyText(MAX_NAME_LENGTH), nullable=False),
    # Of the secret, in hexadecimal.
    Column("sha256", Text, nullable=False),
    # Separated by blanks.
    Column("scopes", Text, nullable=False),
    # A JSON array of names; NULL for all models.
    Column("models", Text),
    # Images or labels a second.
    Column("rate", Double),
    Column("daily", BigInteger),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    # Of the last change of this row: higher than that of any change before.
    Column("version", BigInteger, nullable=False),
    Index("keys_name_idx", "name", unique=True),
    Index("keys_version_idx", "version"),
    sqlite_autoincrement=True,
)

# Images and labels of a day, UTC, by the name of a key: those of a file are counted too.
key_usage = Table(
    "key_usage",
    metadata,
    Column("day", Date, nullable=False),
    Column("name", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("day", "name"),
)

# Append-only, by triggers; see records.audit.
audit = Table(
    "audit",
    metadata,
    Column("id", ID, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("action", AnyText(MAX_NAME_LENGTH), nullable=False),
    Column("subject", AnyText, nullable=False),
    Column("detail", AnyText, nullable=False),
    sqlite_autoincrement=True,
)
