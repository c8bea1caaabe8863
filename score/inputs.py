"""Which kind of input a path is."""

from pathlib import Path

from errors import ScoreError
from score.folder import FolderSource, walk
from score.source import Source, printable
from score.tables import ParquetSource

_PARQUET = ".parquet"
_IMAGES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"))


def open_input(path: Path, image_column: str = "image", id_column: str | None = None) -> Source:
    """The images at ``path``: a Parquet file, a folder of Parquet files, or one of image files.

    A folder with files named ``*.parquet`` and none named as images is one of Parquet files, and
    what else is in it (a README, say) is left alone. Raises ScoreError if it is neither or both.
    """
    if path.is_dir():
        tables: list[Path] = []
        files, images = 0, 0
        for file in walk(path, names_only=True):
            kind = Path(file.path).suffix.lower()
            files += 1
            images += kind in _IMAGES
            if kind == _PARQUET:
                tables.append(path / file.path)
        if not files:
            raise ScoreError(f"The folder {printable(path)} holds no file that is not hidden.")
        if tables and images:
            raise ScoreError(
                f"The folder {printable(path)} holds both images and Parquet files "
                f"({printable(tables[0].relative_to(path))} for one); score them one by one."
            )
        if tables:
            return ParquetSource(path, tables, image_column, id_column)
        if id_column is not None:
            raise ScoreError(
                f"The folder {printable(path)} holds image files, whose ids are their paths: leave "
                "--id-column out."
            )
        return FolderSource(path)
    if not path.is_file():
        raise ScoreError(f"There is no folder or Parquet file at {printable(path)}.")
    return ParquetSource(path.parent, [path], image_column, id_column)
