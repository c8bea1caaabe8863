"""Labels that came from annotations, which are changed and deleted again."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection, delete, select

from records.audit import OPEN, Act, add_acts
from records.chunks import chunks
from records.columns import label_text
from records.database import Database
from records.labels import ClassesOf, NewLabel, Outcome, add_labels
from records.schema import labels

SOURCE: Final = "labelstudio"
"""Of all of them: the newest annotation of an image counts."""


def change(
    database: Database,
    model: str,
    added: Sequence[NewLabel],
    deleted: Collection[str],
    classes_of: ClassesOf,
    key: str | None = None,
) -> tuple[list[Outcome], int]:
    """Store labels of a model and delete those of its with the remarks ``deleted``, all or none.

    Returns the outcome of each, and how many were deleted. Raises DatabaseError or RecordsError.
    """
    with database.writing() as connection:
        gone = _delete(connection, model, deleted, key)
        return add_labels(connection, added, classes_of), gone


def remarks(database: Database, model: str, beginning: str) -> set[str]:
    """Those of a model's labels of annotations that begin like this."""
    found = select(labels.c.remark).where(
        labels.c.source == SOURCE,
        labels.c.model == model,
        labels.c.remark.startswith(beginning, autoescape=True),
    )
    with database.reading() as connection:
        return {str(remark) for remark in connection.execute(found.distinct()).scalars()}


def _delete(connection: Connection, model: str, deleted: Collection[str], key: str | None) -> int:
    count = 0
    for chunk in chunks(sorted(deleted)):
        rows = connection.execute(
            select(labels.c.id, labels.c.prediction_id, labels.c.model, labels.c.label)
            .where(labels.c.source == SOURCE, labels.c.model == model, labels.c.remark.in_(chunk))
            .order_by(labels.c.id)
        ).all()
        connection.execute(delete(labels).where(labels.c.id.in_([row.id for row in rows])))
        acts = [
            Act(
                key or OPEN,
                "unlabel",
                f"prediction {row.prediction_id} of {row.model}",
                label_text(row.label),
            )
            for row in rows
        ]
        add_acts(connection, acts)
        count += len(rows)
    return count
