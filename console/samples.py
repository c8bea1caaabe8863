"""Some images that a version was validated on, to try it without an image of one's own."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from console.pictures import Picture, exact
from errors import ModelError
from models.artifact import GOLDEN
from models.manifest import Label
from models.reference import Reference, seen_spec
from models.version import Version

_MOST: Final = 10


class Sample(NamedTuple):
    """``label``: the true one, None where it is not known."""

    picture: Picture
    label: Label | None


@lru_cache(maxsize=4)
def samples(version: Version) -> Sequence[Sample]:
    """One of each class, as far as there are that many; none if the version has no images."""
    manifest = version.manifest
    try:
        reference = Reference.load(version.artifact)
        # Of a version with an extractor it has small copies, which say little of an answer.
        is_whole = seen_spec(manifest) == manifest.image_spec
        if reference is None or not len(reference) or not is_whole:
            pixels = version.artifact.arrays(GOLDEN).get("pixels")
            found = [] if pixels is None else list(pixels[:_MOST])
            return [Sample(exact(one, manifest.image_spec), None) for one in found]
    except (ModelError, OSError, ValueError, KeyError):
        return []
    chosen: dict[int, int] = {}
    for row, index in enumerate(reference.labels.tolist()):
        chosen.setdefault(index, row)
    rows = [row for _, row in sorted(chosen.items())][:_MOST]
    return [
        Sample(
            exact(reference.pixels[row], manifest.image_spec),
            manifest.labels[int(reference.labels[row])],
        )
        for row in rows
    ]
