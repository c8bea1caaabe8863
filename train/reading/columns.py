"""Which columns of a table have the images, the labels, the parts and the groups."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from errors import DatasetError
from images.names import part_of
from train.reading.listing import listed

IMAGES: Final = (
    *("filename", "file", "image", "img", "path", "filepath", "imagepath", "imgpath", "imagefile"),
    *("imagefilename", "imagename", "imgname", "filenames", "images", "imageid", "imgid", "photo"),
    *("picture", "name", "id", "fname", "imagefilepath", "relativepath", "location", "uri", "url"),
)
LABELS: Final = (
    *("label", "class", "target", "category", "labels", "classname", "labelname", "categoryname"),
    *("truelabel", "groundtruth", "y", "species", "breed", "diagnosis", "dx", "classes"),
    *("classid", "labelid", "categoryid", "tag", "type", "finelabel", "etiqueta", "clase"),
)
_SPLITS: Final = ("split", "set", "subset", "partition", "phase", "part", "usage", "datasplit")
_SAMPLE: Final = 200


@dataclass(frozen=True)
class Columns:
    """The names that the user gave; None to find them. ``group``: a column, if a table has it."""

    image: str | None = None
    label: str | None = None
    group: str | None = None

    @property
    def named(self) -> bool:
        return self.image is not None or self.label is not None


@dataclass(frozen=True)
class Chosen:
    """``one_hot``: columns of which the one with a 1 is the label, if ``label`` is None."""

    image: str
    label: str | None
    split: str | None
    group: str | None
    one_hot: tuple[str, ...] = ()


def choose(
    where: str,
    names: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    columns: Columns,
    is_image: Callable[[str], bool],
) -> Chosen | None:
    """The columns of a table with ``names``; ``rows``: some of them, to look at what they hold.

    ``is_image``: whether a column has images. None without a column of images or one of labels.
    Raises DatasetError, naming the columns, for a name that does not exist.
    """
    for wanted, option in ((columns.image, "--image-column"), (columns.label, "--label-column")):
        if wanted is not None and wanted not in names:
            raise DatasetError(
                f"{where} has no column {wanted!r}, which {option} names; it has: "
                f"{listed(map(repr, names), 12)}."
            )
    image = columns.image or _image(names, is_image)
    if image is None:
        return None
    split = next((name for name in _by_name(names, _SPLITS) if _are_parts(rows, name)), None)
    rest = [name for name in names if name not in (image, split)]
    label = columns.label or _label(rest)
    one_hot: tuple[str, ...] = ()
    if label is None:
        one_hot = _one_hot(rest, rows)
    if label is None and not one_hot:
        return None
    group = columns.group if columns.group in names else None
    return Chosen(image, label, split, group, one_hot)


def _image(names: Sequence[str], is_image: Callable[[str], bool]) -> str | None:
    likely = _by_name(names, IMAGES)
    return next((name for name in (*likely, *names) if is_image(name)), None)


def _label(names: Sequence[str]) -> str | None:
    likely = _by_name(names, LABELS)
    if likely:
        return likely[0]
    # Beside the images there may be a number of the row.
    plain = [name for name in names if _normal(name) not in ("", "index", "unnamed0", "id")]
    return plain[0] if len(plain) == 1 else None


def _by_name(names: Sequence[str], known: Sequence[str]) -> list[str]:
    ranks = {name: rank for rank, name in enumerate(known)}
    found = [name for name in names if _normal(name) in ranks]
    return sorted(found, key=lambda name: ranks[_normal(name)])


def _normal(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _are_parts(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    values = {str(row.get(name) or "").strip() for row in rows[:_SAMPLE]}
    return bool(values) and all(part_of(value) for value in values)


def _one_hot(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Columns of zeros with a single one in each row."""
    numbers = [
        name for name in names if rows and all(_bit(row.get(name)) is not None for row in rows)
    ]
    if len(numbers) < 2 or not rows:
        return ()
    sums = {sum(_bit(row.get(name)) or 0 for name in numbers) for row in rows}
    return tuple(numbers) if sums == {1} else ()


def _bit(value: object) -> int | None:
    text = str(value).strip().casefold()
    return {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "true": 1, "false": 0}.get(text)
