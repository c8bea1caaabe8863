"""Files with pickles, for the tests that list or load them."""

import pickle
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2] / "data"
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "some.pickle"
    path.write_bytes(content)
    return path


def pickled(tmp_path: Path, thing: Any, protocol: int | None = None) -> Path:
    return written(tmp_path, pickle.dumps(thing, protocol=protocol))
