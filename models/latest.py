"""BentoML's file ``latest``, in the folder of each model."""

from collections.abc import Sequence
from pathlib import Path

_LATEST = "latest"


def point_to_latest(model: Path, versions: Sequence[str]) -> None:
    """Tell BentoML which of the ``versions`` in the folder ``model``, oldest first, is newest."""
    if not versions:
        (model / _LATEST).unlink(missing_ok=True)
        return
    latest = model / f".{_LATEST}-{versions[-1]}"
    latest.write_text(versions[-1])
    latest.replace(model / _LATEST)
