"""The files that browsers may keep for good, since their names change with their content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

PREFIX: Final = "/console/static/"
_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Asset:
    content: bytes
    type: str


@cache
def _named() -> tuple[Mapping[str, Asset], Mapping[str, str]]:
    """The assets by their path, and the paths by the file's name."""
    assets, paths = {}, {}
    for file in sorted(_FOLDER.iterdir()):
        if file.suffix not in _TYPES:
            continue
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:12]
        paths[file.name] = f"{PREFIX}{file.stem}.{digest}{file.suffix}"
        assets[paths[file.name]] = Asset(content, _TYPES[file.suffix])
    return assets, paths


def asset(path: str) -> Asset | None:
    return _named()[0].get(path)


def path_of(name: str) -> str:
    """Where the file ``name`` is served."""
    return _named()[1][name]
