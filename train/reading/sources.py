"""What ``--data`` names, one or several times: folders, tables, annotations."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cli import counted
from errors import DatasetError
from images.files import path_text
from images.formats import SUFFIXES
from train.reading.classes import read_folder
from train.reading.coco import coco_listing, read_coco
from train.reading.columns import Columns
from train.reading.layout import LISTS, Layout
from train.reading.listing import Image, Listing, check_labels, joined, listed
from train.reading.lookup import Lookup
from train.reading.table import read_table, table_listing
from train.reading.tree import Exclusion


@dataclass(frozen=True)
class Reading:
    """How to read data. ``groups``: a column, or a regular expression for the names of files;
    ``exclude``: glob patterns of what to leave out, by name, path or label."""

    layout: Layout = "auto"
    image_column: str | None = None
    label_column: str | None = None
    groups: str | None = None
    exclude: tuple[str, ...] = field(default=())


def read_sources(paths: Sequence[Path], reading: Reading | None = None) -> Listing:
    """All labelled images of ``paths``, one after the other.

    Raises DatasetError for what is not there, is laid out in no known way, has labels that look
    alike, or has no such groups.
    """
    reading = reading or Reading()
    exclusion = Exclusion(reading.exclude)
    columns = Columns(reading.image_column, reading.label_column, reading.groups)
    listing = joined([_read(path, reading.layout, columns, exclusion) for path in paths])
    listing = _excluded(listing, exclusion)
    if len({row.label for row in listing.rows}) < 2:
        only = listed(sorted({str(row.label) for row in listing.rows})) or "none"
        raise DatasetError(
            f"{listing.name} has a single class ({only}), but a classifier needs at least two."
        )
    check_labels(listing)
    if reading.groups is not None:
        listing = _grouped(listing, reading.groups)
        number = len({row.group for row in listing.rows})
        listing = listing.noting(f"{counted(number, 'group')}; each is on one side of the split.")
    return listing.noting(*exclusion.notes)


def _read(path: Path, layout: Layout, columns: Columns, exclusion: Exclusion) -> Listing:
    suffix = path.suffix.lower()
    if not path.is_file():
        return read_folder(path, layout, columns, exclusion)
    name, where = path_text(path.stem), path_text(path)
    if suffix == ".json":
        coco = read_coco(path)
        if coco is not None:
            # Annotations are often in a folder beside those of the images.
            here = path.parent
            known = ("annotations", "annotation", "labels")
            folder = here.parent if here.name.casefold() in known else here
            return coco_listing([coco], folder, name)
    if suffix in LISTS:
        table = read_table(path, columns, Lookup(path.parent))
        if table is not None:
            return table_listing([table], path.parent, name)
        raise DatasetError(
            f"{where} has no column of images that are there, or none of labels: name them with "
            "--image-column and --label-column."
        )
    if suffix in SUFFIXES:
        raise DatasetError(f"{where} is a single image: name a folder with a sub-folder per class.")
    raise DatasetError(
        f"{where} is neither a folder nor a list of images ({', '.join(LISTS)}): unpack an archive "
        "first, and name the folder."
    )


def _excluded(listing: Listing, exclusion: Exclusion) -> Listing:
    """Without the rows whose label or file is excluded; folders are so already."""
    if not exclusion.patterns:
        return listing
    kept = [str(row.label) not in exclusion and row.file not in exclusion for row in listing.rows]
    if all(kept):
        return listing
    rows = tuple(row for row, keep in zip(listing.rows, kept, strict=True) if keep)
    return replace(listing, rows=rows, images=_Kept(listing, tuple(kept)))


@dataclass(frozen=True)
class _Kept:
    listing: Listing = field(repr=False)
    kept: tuple[bool, ...] = field(repr=False)

    def __iter__(self) -> Iterator[Image]:
        return (image for image, keep in zip(self.listing.images, self.kept, strict=True) if keep)


def _grouped(listing: Listing, groups: str) -> Listing:
    """With the group of each row: its column's, or what the pattern finds in its file's name.

    A pattern with a slash is for the path below the data; its first parentheses, or else all that
    it finds, are the group.
    """
    if any(row.group is not None for row in listing.rows):
        missing = next((row for row in listing.rows if row.group is None), None)
        if missing is not None:
            raise DatasetError(
                f"{missing.where} has no group, but with --groups {groups} every image needs one."
            )
        return listing
    try:
        pattern = re.compile(groups)
    except re.error as error:
        raise DatasetError(
            f"--groups {groups} is neither a column nor a regular expression: {error}."
        ) from error
    rows = []
    for row in listing.rows:
        text = row.file.replace("\\", "/")
        found = pattern.search(text if "/" in groups else text.rpartition("/")[2])
        if found is None:
            raise DatasetError(
                f"--groups {groups} is no column and finds nothing in {path_text(row.file)}: every "
                "image needs a group, such as the part of its name before a dash: '^([^-]+)-'."
            )
        rows.append(replace(row, group=found[1] if pattern.groups else found[0]))
    return replace(listing, rows=tuple(rows))
