"""What makes two labels the same, wherever they come from.

A Mac writes the folder ``café`` with five characters, a keyboard types four, and a spreadsheet
makes 8 into 8.0. A label is a 64-bit integer or a string in Unicode's form C (UAX 15).
"""

import unicodedata
from collections.abc import Iterable
from typing import TypeVar

# Of these, a float has every integer.
_EXACT = 2**53

T = TypeVar("T")


def nfc(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def plain(value: T) -> T | int | str:
    """A string in form C, and an integral float as the integer; anything else as it is."""
    if isinstance(value, str):
        return nfc(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    return value


def label_key(label: int | str | None) -> tuple[str, int | str | None]:
    """Equal for equal labels of one type: 8 and '8' are different labels, and so are 1 and True.

    Those of versions and records from before labels were normalized are in any form of Unicode.
    """
    same = plain(label)
    return type(same).__name__, same


def twins(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two names that differ, and are the same in form C."""
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(nfc(name), name)
        if first != name:
            return first, name
    return None
