"""The folders in which versions are looked for."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import internals
from models.names import is_name
from settings import bentoml_home


def model_stores() -> tuple[Path, Path]:
    """BentoML's own store, and the one that it uses in this process: a Bento may bring its own.

    Raises OSError if BentoML's folder cannot be created. Its library takes a third of a second of
    CPU to import, and knows more than its folder's name only in a process that has it already.
    """
    if "bentoml" in sys.modules:
        return internals.bentoml_home() / "models", internals.current_model_store()
    models = bentoml_home() / "models"
    models.mkdir(parents=True, exist_ok=True)
    return models, models


def packed_store() -> Path | None:
    """The model store of the Bento that this file belongs to: ``<Bento>/src/models/roots.py``.

    BentoML itself knows it only in a process that serves the Bento.
    """
    bento = Path(__file__).resolve().parents[2]
    return bento / "models" if (bento / "bento.yaml").is_file() else None


def version_paths(root: Path, name: str | None) -> Iterator[Path]:
    """The folders that may be versions, of one model or of all; none for a name that no model has:
    any text may be asked for, also ``../models``. Raises OSError if the store exists but cannot be
    read: it must not be mistaken for an empty one."""
    if name is not None and not is_name(name):
        return
    absent = (FileNotFoundError, NotADirectoryError)
    with contextlib.suppress(*absent):
        for model in [root / name] if name is not None else sorted(root.iterdir()):
            with contextlib.suppress(*absent), os.scandir(model) as entries:
                yield from (model / entry.name for entry in entries if _is_folder(entry))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle
        return False


def extractor_paths(beside: Path, name: str, version: str) -> Iterator[Path]:
    """Where an extractor may be: in the store of the version that needs it, and in the others."""
    for root in _stores(beside):
        path = root / name / version
        if path.is_dir():
            yield path


def _stores(beside: Path) -> Iterator[Path]:
    yield beside
    yield from filter(None, [packed_store()])
    with contextlib.suppress(OSError):
        yield internals.bentoml_home() / "models"
        yield internals.current_model_store()
