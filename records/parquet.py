"""The optional package that reads and writes Parquet; a server never loads it."""

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
