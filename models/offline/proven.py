"""Estimators that answer here as by the scikit-learn that saved them, by its version.

Written by ``python -m bench.pickles --write``: never by hand.
"""

from typing import Final

INSTALLED: Final = "1.9"

PROVEN: Final[dict[str, frozenset[str]]] = {}
