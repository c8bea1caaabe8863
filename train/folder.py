"""A dataset from a folder with one sub-folder of images for each class, in parts or not."""

from pathlib import Path

from images.spec import ImageSpec
from train.dataset import Dataset, OnProgress
from train.loading import load
from train.reading.sources import read_sources


def load_folder(
    path: Path, spec: ImageSpec | None = None, on_progress: OnProgress | None = None
) -> Dataset:
    """The images in a folder; see ``train.reading.classes`` and ``train.loading``."""
    return load(read_sources([path]), spec, on_progress)
