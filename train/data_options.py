"""The options that say what to train on, and what they mean."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

if TYPE_CHECKING:
    from images.spec import ImageSpec
    from train.dataset import Dataset, OnProgress

# The same as train.reading.layout.Layout.
LAYOUTS = ("auto", "classes", "parts", "table", "coco")
DIGITS = "digits"

Command = TypeVar("Command", bound=Callable[..., Any])


def _data(
    _context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    if "" in value:
        raise click.BadParameter("write digits, or the path of a folder.")
    if DIGITS in value and len(value) > 1:
        raise click.BadParameter("digits go alone; a folder of that name is ./digits.")
    return value


_OPTIONS = (
    click.option(
        "--data",
        multiple=True,
        default=(DIGITS,),
        callback=_data,
        metavar="digits|PATH",
        help="scikit-learn's digits; or a folder with one sub-folder of images for each class, in "
        "train/, val/ and test/ or not; or a CSV, JSON, JSON Lines or Parquet file of images and "
        "labels, or a folder with one; or annotations in COCO's form. Several times for several.",
    ),
    click.option(
        "--layout",
        type=click.Choice(LAYOUTS),
        default="auto",
        help="How a folder is laid out, where auto would take it otherwise: classes, one folder "
        "each; parts, such as train and test; table, a list of labels; coco.",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="PATTERN",
        help="Leave out folders, files and labels of this name, such as 'old*' or cat/blurred. "
        "May be repeated.",
    ),
    click.option(
        "--image-column",
        metavar="NAME",
        help="The column of a table that has the images.  [default: the one that has]",
    ),
    click.option(
        "--label-column",
        metavar="NAME",
        help="The column of a table that has the labels.  [default: by its name]",
    ),
    click.option(
        "--groups",
        metavar="COLUMN|PATTERN",
        help="Keep all images of a group, such as a person or a day, on one side of the split: a "
        "column of a table, or a regular expression whose (part) finds it in a file's name.",
    ),
    click.option(
        "--allow-duplicates",
        is_flag=True,
        help="Train though the same image is in two classes.",
    ),
)


def data_options(command: Command) -> Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class DataChoice:
    """What the options chose."""

    data: tuple[str, ...]
    layout: Literal["auto", "classes", "parts", "table", "coco"]
    exclude: tuple[str, ...]
    image_column: str | None
    label_column: str | None
    groups: str | None
    allow_duplicates: bool

    @property
    def _names_columns(self) -> bool:
        return self.image_column is not None or self.label_column is not None

    def load(self, image_spec: "str | ImageSpec | None", on_progress: "OnProgress") -> "Dataset":
        """The dataset; a spec that is no text is an extractor's, and stays as it is.

        Raises DatasetError, SpecError for a wrong image spec, or ModelError if many photos for an
        extractor do not fit the disk.
        """
        from images.spec import ImageSpec
        from train.auto_spec import for_photos
        from train.digits import load_digits
        from train.duplicates import Duplicates
        from train.loading import load
        from train.reading.sources import Reading, read_sources

        if isinstance(image_spec, str):
            spec = None if image_spec == "auto" else for_photos(ImageSpec.parse(image_spec))
        else:
            spec = image_spec
        if self.data == (DIGITS,):
            if self.layout != "auto" or self.exclude or self.groups or self._names_columns:
                raise click.UsageError(
                    "--layout, --exclude, --groups and the names of columns are for folders and "
                    "tables, not for digits."
                )
            return load_digits(spec or ImageSpec.parse(DIGITS), on_progress)
        reading = Reading(
            self.layout, self.image_column, self.label_column, self.groups, self.exclude
        )
        dataset = load(
            read_sources([Path(one) for one in self.data], reading),
            spec,
            on_progress,
            of_extractor=isinstance(image_spec, ImageSpec),
        )
        if not self.allow_duplicates:
            Duplicates.of(dataset).check(dataset)
        return dataset
