"""Names of models, which become folders, tags and a field of requests."""

import re
from typing import Final

NAME: Final = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
_NAME: Final = re.compile(NAME[1:-1])

RULE: Final = (
    "use up to 63 lower-case letters, digits, '-', '_' and '.', with a letter or digit at both ends"
)


def is_name(text: str) -> bool:
    """Whether BentoML accepts the text as a model's name; see ``RULE``."""
    return _NAME.fullmatch(text) is not None


def model_name(asked: str) -> str:
    """The model's name in what a client asks for: ``clf``, ``clf:champion`` or ``clf.pickle``."""
    return asked.partition(":")[0].removesuffix(".pickle")


def no_model(name: str) -> str:
    """The sentence for a model that the store does not have."""
    return f"The store has no model {name!r}; train one with: python -m train --name {name}"
