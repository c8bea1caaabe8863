"""What an image is labelled that shows nothing the model knows, and how pages say that."""

from collections.abc import Collection, Mapping
from typing import Final

from console.language import Words
from models.manifest import Label

NONE: Final[Mapping[str, Label]] = {"string": "none of these", "integer": -1}
"""By the type of a model's labels: no class of its own, so that it is counted and never trained on
unless somebody asks for that."""


def named(words: Words, label: Label, classes: Collection[Label]) -> str:
    """A label as people read it. ``classes``: those of the model, of which one may be like that."""
    if label in NONE.values() and label not in classes:
        return words("None of these")
    return str(label)
