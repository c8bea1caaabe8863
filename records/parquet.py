"""Parquet's package, which a server does without."""

from typing import Any

from errors import RecordsError


def pyarrow() -> Any:
    """The package; raises RecordsError where it is not installed."""
    try:
        import pyarrow as pa
    except ImportError:
        raise RecordsError(
            "Parquet needs the package pyarrow; install it with: "
            "pip install -r requirements/score.txt"
        ) from None
    return pa
