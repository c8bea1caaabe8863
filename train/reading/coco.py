"""Annotations in the form of COCO: one category for an image, or the largest of several.

https://cocodataset.org/#format-data
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import DatasetError
from images.files import path_text
from images.names import Part, part_of
from labels import nfc
from train.dataset import Skipped
from train.reading.listing import Listing, Row, Side, listed
from train.reading.lookup import Lookup
from train.reading.tree import Folder


@dataclass(frozen=True)
class CocoSet:
    """One file of annotations."""

    path: Path
    content: dict[str, Any]

    @property
    def part(self) -> Part | None:
        """By its name, such as ``instances_val2017.json``, or its folder's."""
        return part_of(self.path.stem) or part_of(self.path.parent.name)


def read_coco(path: Path) -> CocoSet | None:
    """None if a file is something else; whoever reads it as that says what is wrong with it."""
    try:
        with path.open("rb") as file:
            content = json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    keys = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in keys):
        return None
    return CocoSet(path, content)


def coco_sets(folder: Folder) -> list[CocoSet]:
    """Those of a folder or of its ``annotations``; of several for a part, the instances."""
    files = [file for file in folder.files if file.suffix.lower() == ".json"]
    for one in folder.folders:
        if one.name.casefold() in ("annotations", "annotation", "labels"):
            files += [file for file in one.files if file.suffix.lower() == ".json"]
    found = [one for one in map(read_coco, files) if one is not None]
    instances = [one for one in found if one.path.name.startswith("instances")]
    return instances or found


def coco_listing(sets: Sequence[CocoSet], folder: Path, name: str) -> Listing:
    """The images of annotations, whose files are looked for in and below ``folder``.

    An image with several categories has that with the largest area. Raises DatasetError if several
    files of annotations are no parts of one, or no image of theirs is there.
    """
    names = listed(path_text(one.path.name) for one in sets)
    if len(sets) > 1 and None in [one.part for one in sets]:
        raise DatasetError(
            f"The data folder {path_text(folder)} has several files of annotations ({names}): name "
            "one with --data."
        )
    sides = {one.part for one in sets}
    sided = len(sets) > 1 and "train" in sides and len(sides) > 1
    lookup = Lookup(folder)
    rows: list[Row] = []
    files: list[Path] = []
    skipped: list[Skipped] = []
    several = without = 0
    for one in sets:
        side: Side = "train" if one.part == "train" else "holdout"
        try:
            labels = _labels(one.content)
            images = [(image["id"], str(image["file_name"])) for image in one.content["images"]]
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{path_text(one.path)} is not in the form of COCO: an entry has no {error}."
            ) from error
        for key, file_name in images:
            found = labels.get(key, {})
            if not found:
                without += 1
                continue
            file = lookup.find(file_name, one.part or "")
            if file is None:
                skipped.append(Skipped(path_text(file_name), "it does not exist"))
                continue
            several += len(found) > 1
            label = max(sorted(found), key=found.__getitem__)
            rows.append(Row(path_text(file), label, file_name, side if sided else None))
            files.append(file)
    if not rows:
        raise DatasetError(
            f"No image of {names} that has a category is in or below {path_text(folder)}."
        )
    notes = [f"Labels are the categories of {names}."]
    if several:
        notes.append(
            f"{several:,} of {len(rows):,} images have several categories; each counts as the one "
            "with the largest area."
        )
    if without:
        notes.append(f"{without:,} images without an annotation are left out.")
    return Listing(name, tuple(rows), tuple(files), tuple(skipped), tuple(notes))


def _labels(content: dict[str, Any]) -> dict[Any, dict[str, float]]:
    """For each image the categories, and the area of each."""
    names = {one["id"]: nfc(str(one["name"])).strip() for one in content["categories"]}
    found: dict[Any, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in content["annotations"]:
        name = names.get(one["category_id"])
        if name is not None:
            found[one["image_id"]][name] += _area(one)
    return found


def _area(annotation: dict[str, Any]) -> float:
    area = annotation.get("area")
    box = annotation.get("bbox")
    if not area and isinstance(box, list) and len(box) == 4:
        area = float(box[2]) * float(box[3])
    # A category without boxes counts once for each annotation.
    return float(area or 1.0)
