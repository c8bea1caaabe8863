"""Labels of recorded predictions, compared by value and type."""

from labels import plain
from models.manifest import Label
from records.windows import Record


def label_key(label: Label | None) -> tuple[str, Label | None]:
    """Equal for equal labels of one type: 8 and '8' are different labels.

    Those of versions and records from before labels were normalized are in any form of Unicode.
    """
    same = plain(label)
    return type(same).__name__, same


def given_labels(record: Record) -> tuple[Label, ...]:
    """The label of every source, disputed or not."""
    labels = tuple(label for _, label in record.labels)
    return labels or (() if record.truth is None else (record.truth,))
