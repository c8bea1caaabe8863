"""The labels that sources gave a recorded prediction."""

from models.manifest import Label
from records.windows import Record


def given_labels(record: Record) -> tuple[Label, ...]:
    """The label of every source, disputed or not."""
    labels = tuple(label for _, label in record.labels)
    return labels or (() if record.truth is None else (record.truth,))
