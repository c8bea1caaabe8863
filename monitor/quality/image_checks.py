"""Checks of the images: can they be read, do they show anything, are they as in training."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from images.spec import ImageSpec
from models.reference import Reference
from monitor.proportions import Share
from monitor.quality.check import LEAST, Check, CheckName, Seen, judged, unknown
from monitor.quality.duplicates import copies, thumbnails
from records.traffic import Traffic

BLANK_DEVIATION = 2.0
"""Of an image's values, in 8-bit steps: below it there is nothing to see."""
FAR_SIDE = 2.0
FAR_RATIO = 1.25
POLARITY = 0.8
"""An image is a negative if its own negative is this much nearer to the reference."""
COMPARED = 1000
"""Images of the reference that others are compared with."""

_EDGES = (0.005, 0.995)


def unreadable(seen: Seen) -> Check:
    """Images that were accepted when they came and cannot be decoded now."""
    accepted = {row for row, one in enumerate(seen.records) if one.status == 200}
    rows = [one.row for one in seen.decoded.failures if one.row in accepted]
    among = sorted(accepted & {*rows, *seen.images})
    return seen.check("unreadable images", among, rows, "have become unreadable")


def rejected(seen: Seen, traffic: Sequence[Traffic]) -> Check:
    """Requests that were answered 400: by the counts of all of them, or by the records alone."""
    rows = [row for row, one in enumerate(seen.records) if one.status != 200]
    words = "were rejected: the image was none, or too large"
    if not traffic:
        among = range(len(seen.records))
        return seen.check("rejected requests", among, rows, words, of="requests")
    counts: Counter[str] = Counter()
    for one in traffic:
        if one.kind == "status":
            counts[one.key] += one.count
    share = Share(counts["400"] / max(1, counts.total()), counts.total())
    return judged("rejected requests", share, counts["400"], rows, f"of the requests {words}")


def blank(seen: Seen, reference: Reference | None) -> Check:
    """Images of a single tone."""
    rows = seen.rows(is_blank(seen.decoded.pixels))
    usual = float(is_blank(reference.pixels).mean()) if reference and len(reference) else 0.0
    words = "show nothing but one tone"
    return seen.check("blank images", seen.images, rows, words, usual=usual)


def duplicates(seen: Seen, reference: Reference | None, spec: ImageSpec) -> Check:
    """Images that came before, but for blank ones, which are all alike."""
    some = ~is_blank(seen.decoded.pixels)
    pixels = seen.decoded.pixels[some]
    known = reference.pixels if reference is not None else pixels
    rows = [int(row) for row in seen.decoded.rows[some][copies(pixels, spec, known) >= 0]]
    # As many images of the reference: the more there are, the more are alike.
    sample = known[: len(pixels)]
    usual = float((copies(sample, spec, known) >= 0).mean()) if reference and len(sample) else 0.0
    words = "are almost a copy of one before them"
    return seen.check("near-duplicates", seen.images, rows, words, usual=usual)


def sizes(seen: Seen, reference: Reference | None) -> tuple[Check, Check]:
    """Sides, and their ratio, beyond all but the outermost hundredth of the training files: by a
    factor of two, and of one and a quarter."""
    if reference is None or reference.sizes is None or not len(reference.sizes):
        reason = "The version does not know the sizes of its training images."
        return unknown("unusual sizes", reason), unknown("unusual shapes", reason)
    known_side, known_ratio = _dimensions(reference.sizes)
    side, ratio = _dimensions(seen.decoded.sizes)
    return (
        _beyond(seen, "unusual sizes", side, known_side, FAR_SIDE, "sides of {} to {} pixels"),
        _beyond(
            seen, "unusual shapes", ratio, known_ratio, FAR_RATIO, "a width of {} to {} heights"
        ),
    )


def polarity(seen: Seen, reference: Reference | None, spec: ImageSpec) -> Check:
    """Dark on light where the reference has light on dark, or the other way round."""
    if reference is None or len(reference) < LEAST:
        return unknown("wrong polarity", "The version has no reference to compare with.")
    known = reference.pixels[:COMPARED]
    half = len(known) // 2
    usual = float(is_negative(known[:half], known[half:], spec).mean())
    rows = seen.rows(is_negative(seen.decoded.pixels, known, spec))
    words = "look like negatives: light and dark are exchanged"
    return seen.check("wrong polarity", seen.images, rows, words, usual=usual)


def is_blank(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """bool [N]: whose values, uint8 [N, F], deviate by less than 2 of 255 from their mean."""
    return np.array([image.std() < BLANK_DEVIATION for image in pixels], dtype=bool)


def is_negative(
    pixels: NDArray[np.uint8], known: NDArray[np.uint8], spec: ImageSpec
) -> NDArray[np.bool_]:
    """bool [N]: whose negative is clearly nearer to its nearest image of ``known`` than the image
    itself is: both uint8, [N, F] and [M, F], compared by thumbnails.

    Measured: all inverted digits and no others; of the drawn shapes, whose colours lie around gray,
    61 % of the inverted and 1 % of the others.
    """
    if not len(pixels):
        return np.zeros(0, dtype=bool)
    small = thumbnails(known, spec)
    own, negative = (
        cdist(thumbnails(images, spec), small, "cityblock").min(axis=1)
        for images in (pixels, 255 - pixels)
    )
    return np.asarray(negative <= POLARITY * own)


def _dimensions(
    sizes: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logarithms of the geometric mean of the sides, and of width over height, float64 [n]."""
    width, height = np.log(np.maximum(sizes, 1)).T
    return (width + height) / 2, width - height


def _beyond(
    seen: Seen,
    name: CheckName,
    values: NDArray[np.float64],
    known: NDArray[np.float64],
    factor: float,
    words: str,
) -> Check:
    low, high = np.quantile(known, _EDGES)
    room = np.log(factor)
    rows = seen.rows((values < low - room) | (values > high + room))
    usual = words.format(*(f"{value:.3g}" for value in np.exp((low, high))))
    words = f"are far from those of training, which have {usual}"
    return seen.check(name, seen.images, rows, words)
