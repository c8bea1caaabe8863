"""Numbers of bytes, as people write and read them."""

import re

_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_PREFIXES = "kmgt"


def size_of(text: str) -> int | None:
    """The number of bytes that ``500MB``, ``2GiB`` or ``1000`` means; None for any other text."""
    match = _SIZE.fullmatch(text.strip())
    if not match or (match[3] and not match[2]):
        return None
    power = _PREFIXES.index(match[2].lower()) + 1 if match[2] else 0
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def size_text(size: int) -> str:
    """``1.5 GB``: three significant digits."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.3g} {unit}"
