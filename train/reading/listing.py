"""Images and their labels as they were found, before any is decoded."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Literal

from errors import DatasetError
from labels import nfc
from models.manifest import Label
from train.dataset import Skipped

Image = Path | bytes | None
"""A file, or its content; None where a row has no image."""

Side = Literal["train", "holdout"]


@dataclass(frozen=True)
class Row:
    """One labelled image. ``where``: for people; ``file``: its path below the data, for patterns;
    ``side``: if the data say on which it is; ``group``: None without ``--groups``."""

    where: str
    label: Label
    file: str
    side: Side | None = None
    group: str | None = None


@dataclass(frozen=True)
class Listing:
    """What was found in one place.

    ``images``: one for each of ``rows``, in their order; it is iterated several times.
    ``notes``: sentences on what was taken and what was left out.
    """

    name: str
    rows: tuple[Row, ...]
    images: Iterable[Image]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def on_side(self, side: Side | None) -> "Listing":
        """The same, all of it on one side of the split; None to leave that open."""
        return replace(self, rows=tuple(replace(row, side=side) for row in self.rows))

    def noting(self, *notes: str, skipped: Iterable[Skipped] = ()) -> "Listing":
        return replace(self, notes=(*notes, *self.notes), skipped=(*self.skipped, *skipped))


@dataclass(frozen=True)
class Chained:
    """Images of several places, one after the other."""

    parts: Sequence[Iterable[Image]] = field(repr=False)

    def __iter__(self) -> Iterator[Image]:
        return chain.from_iterable(self.parts)


def paths(images: Iterable[Image]) -> Iterator[Path]:
    """Those of the images that are files, without reading one, or a table."""
    if isinstance(images, Chained):
        for part in images.parts:
            yield from paths(part)
    elif isinstance(images, Sequence):
        yield from (image for image in images if isinstance(image, Path))


def joined(listings: Sequence[Listing], name: str | None = None) -> Listing:
    """One after the other. Where some have sides, the others are trained on; where some labels are
    integers and others are not, all are text."""
    if len(listings) == 1:
        return listings[0] if name is None else replace(listings[0], name=name)
    rows = [row for listing in listings for row in listing.rows]
    if any(row.side for row in rows):
        rows = [row if row.side else replace(row, side="train") for row in rows]
    if len({type(row.label) for row in rows}) > 1:
        rows = [replace(row, label=str(row.label)) for row in rows]
    return Listing(
        name or "+".join(listing.name for listing in listings),
        tuple(rows),
        Chained([listing.images for listing in listings]),
        tuple(one for listing in listings for one in listing.skipped),
        tuple(dict.fromkeys(note for listing in listings for note in listing.notes)),
    )


def check_labels(listing: Listing) -> None:
    """Raises DatasetError for two labels that differ only in case or in spaces around them.

    Letters are told apart by case, so labels of one character may.
    """
    seen: dict[str, str] = {}
    for label in dict.fromkeys(row.label for row in listing.rows):
        if isinstance(label, int) or len(label.strip()) < 2:
            continue
        first = seen.setdefault(nfc(label).casefold().strip(), label)
        if first != label:
            raise DatasetError(
                f"The classes {first!r} and {label!r} in {listing.name} differ only in upper and "
                "lower case or spaces: rename one, so that they are one class or clearly two."
            )


def listed(names: Iterable[str], limit: int = 5) -> str:
    """Names for a sentence, the first few of many."""
    every = list(names)
    shown = ", ".join(every[:limit])
    return f"{shown} and {len(every) - limit:,} more" if len(every) > limit else shown
