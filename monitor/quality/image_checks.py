"""Checks of the images: are they readable, do they show anything, are they as in training?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.offline.likeness import Likeness
from models.pixels import Pixels
from models.reference import Reference
from monitor.proportions import Proportion
from monitor.quality.check import MIN_SAMPLE, Check, CheckedWindow, CheckName, judged, unknown
from monitor.quality.negatives import is_negative
from records.traffic import Traffic

BLANK_DEVIATION = 2.0
"""Standard deviation of an image's values, in 8-bit steps; below it there is nothing to see."""
FAR_SIDE = 2.0
FAR_RATIO = 1.25
MAX_COMPARED = 1000
"""Images of the reference that others are compared with."""

_EDGES = (0.005, 0.995)


def unreadable(window: CheckedWindow) -> Check:
    """Images that were accepted when they arrived but can no longer be decoded.

    Not those with more pixels than are decoded here: the server that accepted them has another
    limit, and they may be in order.
    """
    accepted = {row for row, record in enumerate(window.records) if record.status == 200}
    failures = [failure for failure in window.decoded.failures if failure.row in accepted]
    rows = [failure.row for failure in failures if not failure.large]
    among = sorted(accepted & {*rows, *window.images})
    found = window.check("unreadable images", among, rows, "were damaged in storage")
    large = len(failures) - len(rows)
    if not large:
        return found
    text = (
        f"{large:,} with more pixels than PUPILA_MAX_IMAGE_PIXELS allows here "
        f"{'was' if large == 1 else 'were'} not looked at."
    )
    return found.model_copy(update={"words": f"{found.words} {text}"})


def rejected(window: CheckedWindow, traffic: Sequence[Traffic]) -> Check:
    """Requests that were answered 400, from the counts of all requests or else the records."""
    rows = [row for row, record in enumerate(window.records) if record.status != 200]
    text = "were rejected because their image was invalid or too large"
    if not traffic:
        among = range(len(window.records))
        return window.check("rejected requests", among, rows, text, of="requests")
    counts: Counter[str] = Counter()
    for minute in traffic:
        if minute.kind == "status":
            counts[minute.key] += minute.count
    proportion = Proportion(counts["400"] / max(1, counts.total()), counts.total())
    return judged("rejected requests", proportion, counts["400"], rows, f"of the requests {text}")


def blank(window: CheckedWindow, reference: Reference | None) -> Check:
    """Images of a single tone."""
    rows = window.rows(is_blank(window.decoded.pixels))
    usual = float(is_blank(reference.pixels).mean()) if reference and len(reference) else 0.0
    text = "are blank (a single tone)"
    return window.check("blank images", window.images, rows, text, usual=usual)


def duplicates(window: CheckedWindow, reference: Reference | None, spec: ImageSpec) -> Check:
    """Images that arrived before, except for blank ones, which are all alike."""
    shown = ~is_blank(window.decoded.pixels)
    pixels = window.decoded.pixels[shown]
    known = reference.pixels if reference is not None else pixels
    likeness = _likeness(known, pixels, spec)
    rows = [int(row) for row in window.decoded.rows[shown][likeness.earlier(pixels) >= 0]]
    # The same number of images of the reference: the more there are, the more are alike.
    sample = known[: len(pixels)]
    usual = float((likeness.earlier(sample) >= 0).mean()) if reference and len(sample) else 0.0
    text = "are near-duplicates of an earlier image"
    return window.check("near-duplicates", window.images, rows, text, usual=usual)


def sizes(window: CheckedWindow, reference: Reference | None) -> tuple[Check, Check]:
    """Sides, and their ratio, outside the range of the training files (without the outermost 1%)
    by a factor of two, and of one and a quarter."""
    if reference is None or reference.sizes is None or not len(reference.sizes):
        reason = "The sizes of the version's training images are not known."
        return unknown("unusual sizes", reason), unknown("unusual shapes", reason)
    known_side, known_ratio = _dimensions(reference.sizes)
    side, ratio = _dimensions(window.decoded.sizes)
    size = "differ a lot in size from the training images (sides of {} pixels)"
    shape = "differ a lot in shape from the training images (width {} times the height)"
    return (
        _beyond(window, "unusual sizes", side, known_side, FAR_SIDE, size),
        _beyond(window, "unusual shapes", ratio, known_ratio, FAR_RATIO, shape),
    )


def polarity(window: CheckedWindow, reference: Reference | None, spec: ImageSpec) -> Check:
    """Dark on light where the reference is light on dark, or the other way round."""
    if reference is None or len(reference) < MIN_SAMPLE:
        return unknown("wrong polarity", "The version has no reference to compare with.")
    known = reference.pixels[:MAX_COMPARED]
    half = len(known) // 2
    usual = float(is_negative(known[:half], known[half:], spec).mean())
    rows = window.rows(is_negative(window.decoded.pixels, known, spec))
    text = "look like negatives (light and dark swapped)"
    return window.check("wrong polarity", window.images, rows, text, usual=usual)


def is_blank(pixels: Pixels) -> NDArray[np.bool_]:
    """bool [N]: whether the values, uint8 [N, F], have a standard deviation below 2 of 255."""
    return np.array([image.std() < BLANK_DEVIATION for image in pixels], dtype=bool)


def _likeness(known: NDArray[np.uint8], pixels: NDArray[np.uint8], spec: ImageSpec) -> Likeness:
    """Stricter where all the images are dark or pale, which makes any two of them more alike:
    of photos at a tenth of their brightness 74 % counted as near-duplicates."""
    likeness = Likeness.of(known, spec)
    if not len(known) or not len(pixels):
        return likeness
    contrast, usual = (np.median(images.std(axis=1)) for images in (pixels, known))
    return replace(likeness, limit=likeness.limit * float(min(1.0, contrast / max(usual, 1.0))))


def _dimensions(
    sizes: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logarithms of the geometric mean of the sides, and of width over height, float64 [n]."""
    width, height = np.log(np.maximum(sizes, 1)).T
    return (width + height) / 2, width - height


def _beyond(
    window: CheckedWindow,
    name: CheckName,
    values: NDArray[np.float64],
    known: NDArray[np.float64],
    factor: float,
    text: str,
) -> Check:
    low, high = np.quantile(known, _EDGES)
    tolerance = np.log(factor)
    rows = window.rows((values < low - tolerance) | (values > high + tolerance))
    edges = dict.fromkeys(f"{value:.3g}" for value in np.exp((low, high)))
    return window.check(name, window.images, rows, text.format(" to ".join(edges)))
