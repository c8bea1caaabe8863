"""The fits of a search on disk, so that one that was interrupted goes on where it was."""

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

Score = tuple[float, float]
"""Accuracy and log-loss of one fold."""

_KEPT_SECONDS: Final = 30 * 86_400
_LIBRARIES: Final = ("numpy", "scikit-learn", "scipy")


class Journal:
    """Scores by candidate, number of images and fold; a line is written for each as it comes.

    A journal that cannot be written is not kept: the search is worth more.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._scores: dict[str, Score] = {}
        self._torn = False
        if path is not None:
            self._read(path)

    @classmethod
    def of(
        cls,
        folder: Path | None,
        estimator: Any,
        features: NDArray[np.float32],
        targets: NDArray[Any],
        *how: object,
    ) -> Self:
        """That of the same search: the same data, libraries and ``how``; without ``folder`` none
        is kept. Journals of searches that nobody has gone on with for a month are deleted."""
        if folder is None:
            return cls(None)
        digest = hashlib.sha256(np.ascontiguousarray(features).data)
        libraries = [version(name) for name in _LIBRARIES]
        for part in (targets.tolist(), repr(estimator), libraries, how):
            digest.update(repr(part).encode())
        with suppress(OSError):
            for old in folder.glob("*.jsonl"):
                if old.stat().st_mtime < time.time() - _KEPT_SECONDS:
                    old.unlink()
        return cls(folder / f"{digest.hexdigest()[:32]}.jsonl")

    def _read(self, path: Path) -> None:
        # The last line of a process that was killed may be a part of one.
        with suppress(OSError):
            text = path.read_text(encoding="utf-8")
            self._torn = bool(text) and not text.endswith("\n")
            for line in text.splitlines():
                with suppress(ValueError, TypeError):
                    key, accuracy, log_loss = json.loads(line)
                    self._scores[key] = float(accuracy), float(log_loss)

    def get(self, parameters: Mapping[str, Any], images: int, fold: int) -> Score | None:
        return self._scores.get(_key(parameters, images, fold))

    def add(self, parameters: Mapping[str, Any], images: int, fold: int, score: Score) -> None:
        key = _key(parameters, images, fold)
        self._scores[key] = score
        if self.path is not None:
            with suppress(OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as file:
                    file.write("\n" * self._torn + json.dumps([key, *score]) + "\n")
                self._torn = False

    def close(self) -> None:
        """Delete it, once the version is saved."""
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)


def _key(parameters: Mapping[str, Any], images: int, fold: int) -> str:
    return repr((sorted(parameters.items()), images, fold))
