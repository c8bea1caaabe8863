"""Finds out what kind of input a path is."""

from pathlib import Path

from errors import ScoreError
from images.files import path_text
from images.formats import SUFFIXES
from score.folder import FolderSource, walk
from score.source import Source
from score.tables import ParquetSource

_PARQUET = ".parquet"


def open_input(path: Path, image_column: str = "image", id_column: str | None = None) -> Source:
    """The images at ``path``: a Parquet file, a folder of Parquet files, or a folder of images.

    A folder with files named ``*.parquet``, but none named like an image, is a folder of Parquet
    files; other files in it, such as a README, are ignored. Raises ScoreError if it is neither or
    both.
    """
    if path.is_dir():
        tables: list[Path] = []
        files, images = 0, 0
        for file in walk(path, names_only=True):
            suffix = Path(file.path).suffix.lower()
            files += 1
            images += suffix in SUFFIXES
            if suffix == _PARQUET:
                tables.append(path / file.path)
        if not files:
            raise ScoreError(f"The folder {path_text(path)} contains no files, except hidden ones.")
        if tables and images:
            raise ScoreError(
                f"The folder {path_text(path)} contains both images and Parquet files, such as "
                f"{path_text(tables[0].relative_to(path))}; score them separately."
            )
        if tables:
            return ParquetSource(path, tables, image_column, id_column)
        if id_column is not None:
            raise ScoreError(
                f"The folder {path_text(path)} contains image files, whose ids are their paths: "
                "leave --id-column out."
            )
        return FolderSource(path)
    if not path.is_file():
        raise ScoreError(f"{path_text(path)} is not a folder or a Parquet file, or does not exist.")
    return ParquetSource(path.parent, [path], image_column, id_column)
