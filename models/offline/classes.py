"""A classifier's classes as labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import ConversionError
from labels import plain, twins
from models.manifest import Label


def label_values(classes: Sequence[Any] | NDArray[Any]) -> tuple[Label, ...]:
    """The labels as JSON has them: all integers, or all strings in Unicode's form C.

    Integral floats, which a table with a gap makes of integers, are integers. Raises
    ConversionError for any other type, such as 0.5 or True, and for two strings that only differ in
    their form.
    """
    values = np.asarray(classes)
    labels = [plain(value) for value in values.tolist()] if values.ndim == 1 else []
    if labels and {type(label) for label in labels} in ({int}, {str}):
        same = twins(map(str, values.tolist()))
        if same is None:
            return tuple(labels)
        raise ConversionError(
            f"The classifier has the labels {same[0]!a} and {same[1]!a}, which are the "
            "same in Unicode's form C: merge the two classes."
        )
    kinds = ", ".join(sorted({type(label).__name__ for label in labels})) or values.dtype
    raise ConversionError(
        f"The classifier's labels are of type {kinds}, but a label must be an integer or a string."
    )
