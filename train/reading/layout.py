"""How a folder of images is laid out: by classes, by parts, or neither."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from errors import DatasetError
from images.files import path_text
from images.names import Part, is_date, part_of
from labels import nfc
from train.reading.listing import listed
from train.reading.tree import Folder, Walk

Layout = Literal["auto", "classes", "parts", "table", "coco"]

_MASKS: Final = frozenset(
    ("mask", "masks", "segmentation", "segmentations", "gt", "groundtruth", "segmentationclass")
)
_BOXES: Final = frozenset(("labels", "annotations", "xml", "boxes", "bboxes"))
_IMAGES: Final = frozenset(("images", "imgs", "image", "jpegimages", "img", "photos"))


@dataclass(frozen=True)
class Parts:
    """Folders of the images to train on and of those to hold out; ``unused``: beside them."""

    train: tuple[Folder, ...]
    holdout: tuple[Folder, ...]
    unused: tuple[Folder, ...]


@dataclass(frozen=True)
class Level:
    """A folder, and those of its sub-folders that have images and that have none."""

    folder: Folder
    full: tuple[Folder, ...]
    bare: tuple[Folder, ...]

    @classmethod
    def of(cls, folder: Folder, walk: Walk) -> "Level":
        followed = folder.following(walk)
        return cls(
            followed,
            tuple(one for one in followed.folders if one.has_images),
            tuple(one for one in followed.folders if not one.has_images),
        )


def parts_of(level: Level, walk: Walk, *, insist: bool = False) -> Parts | None:
    """The folders ``train``, ``val`` and ``test`` of a level, by whatever name; None if they are
    none: a class of trains has images and no classes in it.

    Without ``insist``, every other folder must be empty, or hold none of the classes.
    """
    named: dict[str, Part] = {}
    for one in level.full:
        part = part_of(one.name)
        if part is not None:
            named[one.name] = part
    train = [one for one in level.full if named.get(one.name) == "train"]
    held = [one for one in level.full if named.get(one.name) in ("val", "test")]
    if not train:
        return None
    if insist:
        rest = [one for one in level.full if one not in train and one not in held]
        return Parts(tuple(train), tuple(held), tuple(rest))
    if not all(_is_structured(one, walk) for one in train):
        return None
    usable = [one for one in held if _is_structured(one, walk)]
    unused = [one for one in level.full if one not in train and one not in usable]
    if not usable and any(one.name not in named for one in unused):
        return None
    if any(_is_structured(one, walk) and one.name not in named for one in unused):
        return None
    return Parts(tuple(train), tuple(usable), tuple(unused))


def _is_structured(folder: Folder, walk: Walk) -> bool:
    """Whether it may hold classes, or a list of labels."""
    inner = folder.following(walk)
    full = [one for one in inner.folders if one.has_images]
    if len(full) == 1:
        return _is_structured(full[0], walk) or any(map(is_list, inner.files))
    return len(full) > 1 or any(map(is_list, inner.files))


def is_list(path: object) -> bool:
    """Whether a file may have labels, by its suffix."""
    return str(path).lower().endswith(LISTS)


LISTS: Final = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".pq")


def inner_parts(level: Level, walk: Walk) -> bool:
    """Whether each class is divided, as in ``cat/train/…`` and ``cat/test/…``."""
    if len(level.full) < 2:
        return False
    for one in level.full:
        inner = [sub for sub in one.following(walk).folders if sub.has_images]
        parts = {part_of(sub.name) for sub in inner}
        if len(inner) < 2 or None in parts or "train" not in parts or len(parts) < 2:
            return False
    return True


def check_not_ambiguous(level: Level, walk: Walk) -> None:
    """Raises DatasetError if all folders hold the same names, so that either may be the classes,
    or are parts without a label for their images."""
    found = {part_of(one.name) for one in level.full}
    if len(found) > 1 and "train" in found and None not in found:
        outer = listed(path_text(one.name) for one in level.full)
        raise DatasetError(
            f"The folders {outer} in {path_text(level.folder.path)} are parts by their names, but "
            "have no class folders: put the images of each class into one, or list them in a "
            f"labels.csv: file,label. If {outer} are the classes, add --layout classes."
        )
    for one in level.full:
        own = [sub for sub in one.following(walk).folders if sub.has_images]
        if part_of(one.name) == "train" and len(level.full) > 1 and len(own) > 1:
            here = path_text(one.path)
            raise DatasetError(
                f"The folder {here} has folders of its own, and there are others beside it: if "
                f"these are the classes, write --data {here}; if {path_text(one.name)} is a class "
                "itself, add --layout classes."
            )
    inner = [
        tuple(nfc(sub.name).casefold() for sub in one.following(walk).folders if sub.has_images)
        for one in level.full
    ]
    first = inner[0] if inner else ()
    if len(inner) < 2 or len(first) < 2 or any(set(names) != set(first) for names in inner):
        return
    if all(is_date(name) for name in first):
        return
    outer = listed(path_text(one.name) for one in level.full)
    classes = listed(path_text(name) for name in first)
    some = " ".join(f"--data {path_text(one.path)}" for one in level.full[:2])
    raise DatasetError(
        f"The folders {outer} in {path_text(level.folder.path)} all hold {classes}: if these are "
        f"the classes, name the folders one by one, as in {some}; if {outer} are, add "
        "--layout classes."
    )


def check_not_detection(level: Level) -> None:
    """Raises DatasetError for data without one label per image, by the names of the folders."""
    children = {one.name.casefold(): one for one in level.folder.folders}
    images = [name for name in children if name in _IMAGES]
    where = path_text(level.folder.path)
    way = "move each image into a folder of its class, or list them in a labels.csv: file,label."
    masks = [name for name in children if name in _MASKS and children[name].has_images]
    if images and masks and set(children) <= _IMAGES | _MASKS | _BOXES:
        raise DatasetError(
            f"{where} holds images and their masks ({masks[0]}), as for segmentation, but a "
            f"classifier needs one label per image: {way}"
        )
    for name in set(children) & _BOXES:
        kinds = {file.suffix.lower() for file in children[name].all_files}
        if images and kinds & {".txt", ".xml"} and not children[name].has_images:
            form = "YOLO" if ".txt" in kinds else "Pascal VOC"
            inner = {sub.name for sub in children[name].folders}
            if any({sub.name for sub in children[one].folders} == inner for one in images):
                raise DatasetError(
                    f"{where} is laid out for detection, in the form of {form}, but a classifier "
                    f"needs one label per image: {way}"
                )


def refusal(level: Level) -> DatasetError:
    """Why a level has no two classes, and what would be right."""
    where = path_text(level.folder.path)
    lists = [file for file in level.folder.files if is_list(file)]
    needs = "but needs at least two sub-folders of images, one for each class."
    listing = "Or list the files and labels in a labels.csv beside them: file,label."
    if level.full:
        only = path_text(level.full[0].name)
        return DatasetError(
            f"The data folder {where} contains only the class folder {only}, {needs}"
        )
    if len(level.bare) == 1:
        only = path_text(level.bare[0].name)
        return DatasetError(
            f"The data folder {where} contains only the class folder {only}, without an image, "
            f"{needs}"
        )
    if level.bare:
        some = listed(path_text(one.name) for one in level.bare)
        return DatasetError(
            f"The data folder {where} contains only folders without images ({some}), {needs}"
        )
    if lists:
        names = listed(path_text(file.name) for file in lists)
        return DatasetError(
            f"The data folder {where} contains no class folders, and {names} has no column of "
            "files and one of labels: name them with --image-column and --label-column."
        )
    if any(
        file.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
        for file in level.folder.files
    ):
        return DatasetError(
            f"The data folder {where} contains an archive: unpack it, and name what comes out."
        )
    if level.folder.files:
        return DatasetError(
            f"The data folder {where} contains files but no class folders, {needs} {listing}"
        )
    return DatasetError(f"The data folder {where} contains nothing, {needs}")


def unused_notes(folders: Sequence[Folder], why: str) -> Iterator[str]:
    if folders:
        yield f"Left out: {listed(path_text(one.name) for one in folders)} ({why})."
