"""What servers write: predictions and counts of traffic, many at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import Connection, insert, text

from errors import CommitLostError, DatabaseError
from images.trailer import without_trailer
from records.database import Database
from records.prediction import KeptPrediction
from records.rollout_schema import pairs
from records.schema import images, predictions
from records.traffic import TrafficKey, add_traffic

# All but those that the database or this module fills in.
_FIELDS = [
    column.name for column in predictions.columns if column.name not in {"id", "image_bytes"}
]


def write(
    database: Database, kept: Sequence[KeptPrediction], traffic: Mapping[TrafficKey, int]
) -> None:
    """Insert predictions and add to the counts of traffic, in one transaction.

    Raises DatabaseError if nothing was written and a retry may succeed, and RecordsError if a
    value can never be stored. CommitLostError if PostgreSQL's answer to the commit was lost: ask
    ``committed`` before a retry. SQLite itself knows.
    """
    if not kept and not traffic:
        return
    transaction: int | None = None
    try:
        with database.writing() as connection:
            add_predictions(connection, kept)
            add_traffic(connection, traffic)
            if database.dialect == "postgresql":
                number = connection.execute(text("SELECT txid_current()")).scalar_one()
                transaction = int(number)
    except DatabaseError as error:
        if transaction is None:
            raise
        raise CommitLostError(str(error), transaction) from None


def committed(database: Database, transaction: int) -> bool:
    """Whether a transaction of ``CommitLostError`` is in the database.

    Raises DatabaseError while PostgreSQL cannot be asked, or has not ended it yet.
    """
    with database.reading() as connection:
        newest = connection.execute(text("SELECT txid_snapshot_xmax(txid_current_snapshot())"))
        if transaction >= int(newest.scalar_one()):
            # Another database, or one that was restored from before.
            return False
        status = connection.execute(text("SELECT txid_status(:id)"), {"id": transaction})
        found = status.scalar_one()
    if found == "in progress":
        raise DatabaseError(f"The database {database.name} has not ended a transaction yet.")
    return bool(found == "committed")


def add_predictions(connection: Connection, kept: Sequence[KeptPrediction]) -> None:
    """Insert predictions with their images, inside a transaction."""
    if not kept:
        return
    statement = insert(predictions).returning(predictions.c.id, sort_by_parameter_order=True)
    # Whatever else is in the file would fill the disk.
    files = [without_trailer(one.image or b"") for one in kept]
    rows = [
        {name: getattr(one, name) for name in _FIELDS} | {"image_bytes": len(file)}
        for one, file in zip(kept, files, strict=True)
    ]
    ids = list(connection.execute(statement, rows).scalars())
    contents = [
        {"prediction_id": id_, "content": file}
        for id_, file in zip(ids, files, strict=True)
        if file
    ]
    if contents:
        connection.execute(insert(images), contents)
    compared = [
        asdict(one.pair) | {"prediction_id": id_}
        for id_, one in zip(ids, kept, strict=True)
        if one.pair is not None
    ]
    if compared:
        connection.execute(insert(pairs), compared)
