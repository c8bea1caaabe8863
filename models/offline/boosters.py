"""Classifiers of XGBoost, LightGBM and CatBoost: which library, and which release saved them.

None of these libraries is imported here. Their pickles hold the model in the library's own format,
and what a release reads of another's may answer differently, as with scikit-learn.
"""

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from errors import PickleError

NAMES: Final = {"xgboost": "XGBoost", "lightgbm": "LightGBM", "catboost": "CatBoost"}

_KINDS: Final = frozenset(
    {
        ("xgboost", "XGBClassifier"),
        ("xgboost", "XGBRFClassifier"),
        ("lightgbm", "LGBMClassifier"),
        ("catboost", "CatBoostClassifier"),
    }
)

# As UBJSON and as JSON: the release that pickled the model.
_XGBOOST: Final = (
    re.compile(rb"version\[#L\0{7}\x03i(.)i(.)i(.)", re.DOTALL),
    re.compile(rb'"version":\s*\[(\d+),\s*(\d+),\s*(\d+)\]'),
)
# The format; the release is not in the file.
_LIGHTGBM: Final = re.compile(rb"tree\nversion=(v\d+)\n")
_CATBOOST: Final = re.compile(rb"CatBoost release (\d+(?:\.\d+)+)")

LIGHTGBM_FORMATS: Final = {"v4": "4"}
"""The major release that writes a format, where its releases answer alike: 4.7 with what 4.0, 4.3
and 4.6 saved of five kinds of boosting gave the same numbers, bit for bit."""


class Saved(NamedTuple):
    """A library, and the release that saved a model of it, or of LightGBM the format."""

    library: str
    version: str


def library_of(estimator: Any) -> str | None:
    """``xgboost``, ``lightgbm`` or ``catboost``, if it is a classifier of one of these."""
    kind = type(estimator)
    library = kind.__module__.partition(".")[0]
    return library if (library, kind.__name__) in _KINDS else None


def missing(error: ModuleNotFoundError) -> str | None:
    """Which of the libraries is not installed, and how to install it."""
    library = str(error.name).partition(".")[0]
    if library not in NAMES:
        return None
    lock = "catboost" if library == "catboost" else "boosters"
    return (
        f"{NAMES[library]}, which is not installed here: install it with "
        f"pip install -r requirements/{lock}.txt."
    )


def saved_by(path: Path) -> frozenset[Saved]:
    """Which releases saved the models in a pickle or joblib file, read as bytes.

    It must be asked of the file: once loaded, a model says that the library of here has made it.
    """
    content = _content(path)
    if not content.startswith(b"\x80"):  # Pickle's oldest protocols are text.
        content = content.replace(b"\\u000a", b"\n").replace(b"\\u0000", b"\0")
    found: set[Saved] = set()
    found.update(Saved("lightgbm", one.decode()) for one in _LIGHTGBM.findall(content))
    found.update(Saved("catboost", one.decode()) for one in _CATBOOST.findall(content))
    binary, text = _XGBOOST
    for parts in binary.findall(content):
        found.add(Saved("xgboost", ".".join(str(part[0]) for part in parts)))
    for parts in text.findall(content):
        found.add(Saved("xgboost", ".".join(part.decode() for part in parts)))
    return frozenset(found)


def check_release(name: str, boosters: Iterable[Any], saved: frozenset[Saved]) -> None:
    """Raise PickleError unless the library that is here saved each of them."""
    for booster in boosters:
        library = str(library_of(booster))
        kind = type(booster).__name__
        here = str(import_module(library).__version__)
        versions = sorted(version for whose, version in saved if whose == library)
        if not versions:
            raise PickleError(
                f"{name} has a {kind} of an unknown release of {NAMES[library]}, and {here} is "
                "installed here, where it may answer differently: add --check with what the "
                "original says of some images."
            )
        for version in versions:
            _check_one(name, kind, Saved(library, version), here)


def _check_one(name: str, kind: str, saved: Saved, here: str) -> None:
    if saved.library == "lightgbm":
        if LIGHTGBM_FORMATS.get(saved.version) == here.partition(".")[0]:
            return
        known = f"LightGBM's format {saved.version}"
    else:
        if saved.version == here:
            return
        known = f"{NAMES[saved.library]} {saved.version}"
    raise PickleError(
        f"{name} has a {kind} of {known}, and {here} is installed here, where it may answer "
        "differently: install the release that saved it, or add --check with what the original "
        "says of some images."
    )


def _content(path: Path) -> bytes:
    """The file, without joblib's compression; empty if that is one that Python does not have."""
    content = path.read_bytes()
    try:
        if content.startswith(b"\x1f\x8b"):
            return gzip.decompress(content)
        if content.startswith(b"BZh"):
            return bz2.decompress(content)
        if content.startswith((b"\xfd7zXZ", b"]\0\0")):
            return lzma.decompress(content)
        if content[:2] in {b"x\x01", b"x\x5e", b"x\x9c", b"x\xda"}:
            return zlib.decompress(content)
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error):
        return b""
    return content
