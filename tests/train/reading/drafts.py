"""Folders as people have them, of small images that all differ."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.drawing import png
from train.reading.listing import Listing


def image(number: int) -> bytes:
    """A gray PNG of 8x8 like no other."""
    return png(np.random.default_rng(number).integers(0, 256, (8, 8)).astype(np.uint8))


def fill(root: Path, *folders: str, images: int = 2) -> Path:
    """Images in each of ``folders`` below ``root``."""
    number = 0
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for place in range(images):
            number += 1
            (root / folder / f"{place}.png").write_bytes(image(number))
    return root


def table(*rows: Sequence[object], separator: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(rows)
    return text.getvalue()


def counts(listing: Listing) -> dict[object, int]:
    return dict(Counter(row.label for row in listing.rows))


def sides(listing: Listing) -> dict[str | None, int]:
    return dict(Counter(row.side for row in listing.rows))
