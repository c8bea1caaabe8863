"""What a name says: that another program made it, that it may be an image, or which part it is."""

import re
import unicodedata
from pathlib import Path
from typing import Final, Literal

from images.formats import SUFFIXES, is_recognized

Part = Literal["train", "val", "test"]

_DEBRIS: Final = frozenset(
    (
        *("__macosx", "lost+found", "@eadir", ".ipynb_checkpoints", "__pycache__", "#recycle"),
        *("$recycle.bin", "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini"),
        *("icon\r", "@recycle", "recycler"),
    )
)
# Formats that are not read: a folder of HEIC photos is a class all the same, and must be refused.
_UNREAD: Final = frozenset(
    (
        *(".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".ico", ".svg"),
        *(".psd", ".jfif", ".jpe", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".dcm", ".dng"),
        *(".cr2", ".nef", ".arw", ".raw", ".exr", ".hdr"),
    )
)
_HEAD: Final = 32

_PARTS: Final[dict[str, Part]] = {
    **dict.fromkeys(
        ("train", "training", "trn", "trainset", "traindata", "trainval", "entrenamiento"), "train"
    ),
    **dict.fromkeys(
        (
            *("val", "valid", "validation", "validate", "validating", "valset", "validset"),
            *("dev", "devel", "development", "eval", "evaluation", "evaluate", "validacion"),
        ),
        "val",
    ),
    **dict.fromkeys(
        ("test", "testing", "tst", "testset", "testdata", "holdout", "heldout", "prueba"), "test"
    ),
}
_DATE: Final = re.compile(
    r"(19|20)\d\d([-_. ]?\d\d){0,2}"
    r"|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
)


def is_debris(name: str) -> bool:
    """Whether operating systems, NAS devices or notebooks make files or folders of this name."""
    return name.casefold() in _DEBRIS


def is_hidden(name: str) -> bool:
    return name.startswith(".")


def part_of(name: str) -> Part | None:
    """The part of a dataset that a folder, a file or a cell of a table names, as ``Training``,
    ``valid``, ``dev``, ``test2017``, ``seg_train`` or ``train-00000-of-00002`` do.

    A class may be named so too (buses and trains): whoever asks must look at what is in it.
    """
    plain = unicodedata.normalize("NFKD", name).casefold()
    words = re.findall(r"[a-z]+", "".join(one for one in plain if not unicodedata.combining(one)))
    for word in (*words[:1], *words[-1:], *words):
        if word in _PARTS:
            return _PARTS[word]
    return None


def is_date(name: str) -> bool:
    """Whether a folder is named by a year, a month or a day, as cameras and people sort photos."""
    return _DATE.fullmatch(name.casefold()) is not None


def may_be_image(path: Path) -> bool:
    """By its suffix, or for a file without one by its first bytes."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES or suffix in _UNREAD:
        return True
    return not suffix and _looks_like_one(path)


def _looks_like_one(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return is_recognized(file.read(_HEAD))
    except OSError:
        return False
