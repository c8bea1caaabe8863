"""Images in one folder for each class, in parts or not, at the top or some folders deeper."""

from collections import Counter
from pathlib import Path
from typing import Final

from errors import DatasetError
from images.files import path_text
from images.names import is_date, may_be_image, part_of
from labels import nfc, twins
from train.reading.coco import coco_listing, coco_sets
from train.reading.columns import Columns
from train.reading.layout import (
    Layout,
    Level,
    Parts,
    check_not_ambiguous,
    check_not_detection,
    inner_parts,
    is_list,
    parts_of,
    refusal,
    unused_notes,
)
from train.reading.listing import Listing, Row, Side, joined, listed
from train.reading.table import folder_tables, table_listing
from train.reading.tree import Exclusion, Folder, Walk

_NO_IMAGES: Final = "no images in it"


def read_folder(
    path: Path,
    layout: Layout = "auto",
    columns: Columns | None = None,
    exclusion: Exclusion | None = None,
) -> Listing:
    """The labelled images in a folder; its labels are in Unicode's form C.

    Class folders may be links, but links to folders below them are not followed, so that none can
    form a cycle. Hidden files and folders are ignored. Raises DatasetError, naming the folder and
    the way out, if it cannot be read or is laid out in no way that is known.
    """
    walk = Walk(path, exclusion or Exclusion())
    reader = _Reader(walk, columns or Columns())
    listing = reader.read(walk.start(), layout)
    debris = Counter(walk.found.debris)
    if debris:
        names = (f"{name} ({count:,})" if count > 1 else name for name, count in debris.items())
        listing = listing.noting(f"Left out, as other programs made it: {listed(names)}.")
    return listing.noting(skipped=walk.found.skipped)


class _Reader:
    def __init__(self, walk: Walk, columns: Columns) -> None:
        self._walk, self._columns = walk, columns
        self._name = path_text(walk.root.resolve().name)

    def read(self, folder: Folder, layout: Layout, *, within_part: bool = False) -> Listing:
        level = Level.of(folder, self._walk)
        if layout == "classes":
            return self._classes(level)
        if layout == "auto":
            check_not_detection(level)
        if layout in ("auto", "parts") and not within_part:
            parts = parts_of(level, self._walk, insist=layout == "parts")
            if parts is not None:
                return self._parts(parts)
            if inner_parts(level, self._walk):
                return self._inner(level)
        if layout in ("auto", "coco"):
            sets = coco_sets(level.folder)
            if sets:
                return coco_listing(sets, level.folder.path, self._name)
        if layout in ("auto", "table"):
            listing = self._table(level, insist=layout == "table")
            if listing is not None:
                return listing
        deeper = self._deeper(level)
        if deeper is not None:
            return self.read(deeper, layout, within_part=within_part).noting(
                f"The classes are in {path_text(deeper.path)}."
            )
        if layout != "auto":
            raise DatasetError(
                f"The data folder {path_text(folder.path)} is not laid out as {layout}: leave "
                "--layout out, or choose another."
            )
        check_not_ambiguous(level, self._walk)
        return self._classes(level)

    def _table(self, level: Level, *, insist: bool) -> Listing | None:
        """By the lists of labels in the folder, unless its sub-folders are the classes."""
        tables = folder_tables(level.folder, self._columns)
        if not tables:
            return None
        if insist or len(level.full) < 2 or self._columns.named:
            return table_listing(tables, level.folder.path, self._name)
        labels = {str(entry.label) for table in tables for entry in table.entries}
        if {nfc(one.name) for one in level.full} & labels:
            return None
        if any(part_of(one.name) for one in level.full):
            return table_listing(tables, level.folder.path, self._name)
        names = listed(path_text(table.path.name) for table in tables)
        raise DatasetError(
            f"The data folder {path_text(level.folder.path)} has {len(level.full):,} folders of "
            f"images and the labels of {names}, which are others: add --layout classes to go by "
            "the folders, or --layout table to go by the file."
        )

    def _deeper(self, level: Level) -> Folder | None:
        """The one folder that everything is in, if what is in it are classes or a list."""
        if len(level.full) != 1 or any(map(may_be_image, level.folder.files)):
            return None
        only = level.full[0]
        inner = Level.of(only, self._walk)
        if inner.full:
            # Photos of one class, sorted by year, are no classes.
            return None if all(is_date(one.name) for one in inner.full) else only
        return only if any(map(is_list, inner.folder.files)) else None

    def _parts(self, parts: Parts) -> Listing:
        """Raises DatasetError if a part has no classes."""
        held = parts.holdout
        trained: Side | None = "train" if held else None
        listings = [self._side(one, trained) for one in parts.train]
        listings += [self._side(one, "holdout") for one in held]
        listing = joined(listings, self._name)
        names = " and ".join(path_text(one.name) for one in parts.train)
        if held:
            other = " and ".join(path_text(one.name) for one in held)
            note = f"Trained on {names}, and evaluated on {other}."
        else:
            note = f"The classes are in {names}."
        return listing.noting(note, *unused_notes(parts.unused, "no labels in it"))

    def _side(self, folder: Folder, side: Side | None) -> Listing:
        return self.read(folder, "auto", within_part=True).on_side(side)

    def _inner(self, level: Level) -> Listing:
        listings, used = [], set[str]()
        for one in level.full:
            for sub in one.following(self._walk).folders:
                if sub.has_images:
                    part = part_of(sub.name)
                    listing = self._images_of({nfc(one.name): sub})
                    listings.append(listing.on_side("train" if part == "train" else "holdout"))
                    used.add(path_text(sub.name))
        held = sorted(name for name in used if part_of(name) != "train")
        return joined(listings, self._name).noting(
            f"Each class has parts: evaluated on {' and '.join(held)}.",
            *unused_notes(level.bare, _NO_IMAGES),
        )

    def _classes(self, level: Level) -> Listing:
        walk = self._walk
        for file in level.folder.files:
            walk.found.skip(file, "it is not in a class folder")
        for one in (*level.full, *level.bare):
            if one.name != path_text(one.name):
                raise DatasetError(
                    f"The name of the class folder {path_text(one.path)} is not UTF-8, but labels "
                    "must be."
                )
        same = twins(one.name for one in level.full)
        if same is not None:
            first, second = same
            raise DatasetError(
                f"The class folders {first!a} and {second!a} in {path_text(level.folder.path)} "
                "have the same name in Unicode's form C: merge them, or rename one."
            )
        if len(level.full) < 2:
            raise refusal(level)
        found = self._images_of({nfc(one.name): one for one in level.full})
        return found.noting(*unused_notes(level.bare, _NO_IMAGES))

    def _images_of(self, folders: dict[str, Folder]) -> Listing:
        rows, files = [], []
        for label, folder in sorted(folders.items()):
            self._walk.skip_links(folder)
            for file in folder.all_files:
                rows.append(Row(path_text(file), label, _below(self._walk.root, file)))
                files.append(file)
        return Listing(self._name, tuple(rows), tuple(files))


def _below(root: Path, file: Path) -> str:
    return path_text(file.relative_to(root)).replace("\\", "/")
