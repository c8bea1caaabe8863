"""Labelled images from elsewhere: a folder, a CSV file, a Parquet file, or a SQL query."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, ResourceClosedError

from errors import RecordsError
from images.names import is_debris, is_hidden, part_of
from labels import twins
from records.failures import translated_errors
from records.parquet import pyarrow

_ROWS: Final = 64
# Of an image file; about eight times what a server accepts by default.
_MAX_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """One image, as bytes or a file, with its label, both unchecked; ``where`` names it."""

    where: str
    image: object
    label: object


def from_path(path: Path, image_column: str, label_column: str) -> Iterator[Sample]:
    """Samples of a folder with a subfolder for each class, a ``.csv`` or a ``.parquet`` file.

    Raises RecordsError before the first sample if it is something else, or lacks a column.
    """
    with _translated_os_errors(path):
        if path.is_dir():
            return _folder(path)
    if path.suffix.lower() == ".csv":
        return _csv(path, image_column, label_column)
    if path.suffix.lower() in {".parquet", ".pq"}:
        return _parquet(path, image_column, label_column)
    raise RecordsError(f"{path} is not a folder, a .csv or a .parquet file.")


def _folder(path: Path) -> Iterator[Sample]:
    classes = [
        entry
        for entry in sorted(path.iterdir())
        if entry.is_dir() and not is_hidden(entry.name) and not is_debris(entry.name)
    ]
    _require_classes(path, classes)
    if not classes:
        raise RecordsError(f"{path} has no subfolders: put the images of each class into one.")
    same = twins(folder.name for folder in classes)
    if same is not None:
        raise RecordsError(
            f"{path} has the folders {same[0]!a} and {same[1]!a}, which have the same name "
            "in Unicode's form C: merge them, or rename one."
        )

    def files() -> Iterator[Sample]:
        for folder in classes:
            with _translated_os_errors(folder):
                names = [entry for entry in sorted(folder.iterdir()) if entry.is_file()]
            for file in names:
                if file.name[0] != ".":
                    yield Sample(str(file.relative_to(path)), file, folder.name)

    return files()


def _require_classes(path: Path, folders: Sequence[Path]) -> None:
    """Raises RecordsError for ``train/``, ``val/`` and ``test/``, whose sub-folders are classes."""
    parts = {part_of(folder.name) for folder in folders}
    if len(parts) < 2 or None in parts or "train" not in parts:
        return
    inner = next((one for one in sorted(folders[0].iterdir()) if one.is_dir()), None)
    if inner is not None:
        names = ", ".join(folder.name for folder in folders)
        raise RecordsError(
            f"{path} holds the parts {names} of a dataset, not its classes: name them one by one, "
            f"such as {folders[0]}."
        )


@contextmanager
def _translated_os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordsError(f"{path} cannot be read: {error.strerror or error}.") from None


def read_file(path: Path) -> bytes:
    """The bytes of an image file. Raises RecordsError, whose text is a reason without a subject.

    Pipes and devices are refused: reading them might never end.
    """
    try:
        status = path.stat()
        if S_ISREG(status.st_mode) and status.st_size > _MAX_BYTES:
            raise RecordsError(
                f"its file has {status.st_size:,} bytes; the limit is {_MAX_BYTES:,}"
            )
        if not S_ISREG(status.st_mode) and not S_ISDIR(status.st_mode):
            raise RecordsError("its file cannot be read: it is not a regular file")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordsError(f"its file cannot be read: {reason}") from None


def _csv(path: Path, image_column: str, label_column: str) -> Iterator[Sample]:
    """The image column has file names, relative to the CSV's folder."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            columns = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordsError(f"{path} cannot be read as CSV in UTF-8: {error}.") from None
    _require(str(path), columns, image_column, label_column)

    def rows() -> Iterator[Sample]:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                for row in reader:
                    name = row[image_column] or ""
                    where = f"line {reader.line_num}"
                    yield Sample(where, path.parent / name if name else None, row[label_column])
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise RecordsError(f"{path} cannot be read as CSV in UTF-8: {error}.") from None

    return rows()


def _parquet(path: Path, image_column: str, label_column: str) -> Iterator[Sample]:
    """The image column has bytes, file names, or structs of both as Hugging Face writes them."""
    pa = pyarrow()
    import pyarrow.parquet as pq

    try:
        columns = pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise RecordsError(f"{path} cannot be read as Parquet: {_first_line(error)}.") from None
    _require(str(path), columns, image_column, label_column)

    def rows() -> Iterator[Sample]:
        number = 0
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_ROWS, columns=[image_column, label_column]):
                    for row in batch.to_pylist():
                        number += 1
                        image = _bytes_or_file(row[image_column], path.parent)
                        yield Sample(f"row {number}", image, row[label_column])
        except (OSError, pa.ArrowException) as error:
            raise RecordsError(f"{path} cannot be read as Parquet: {_first_line(error)}.") from None

    return rows()


def from_query(url: str, query: str, image_column: str, label_column: str) -> Iterator[Sample]:
    """Samples of any database that SQLAlchemy has a driver for; file names are relative to the
    current folder.

    Raises RecordsError, without the values of the query or the password of the URL.
    """
    try:
        parsed = make_url(url)
        if parsed.drivername in {"postgres", "postgresql"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        file = parsed.database if parsed.get_backend_name() == "sqlite" else None
        if file and not Path(file).is_file():
            raise RecordsError(f"There is no SQLite database at {file}.")
        engine = create_engine(parsed)
    except (ArgumentError, ValueError):
        raise RecordsError(
            "The URL to import from is not valid: write it as postgresql://user:password@host/name."
        ) from None
    except (NoSuchModuleError, ImportError):
        name = urlsplit(url).scheme
        raise RecordsError(f"No driver for {name!r} is installed: install one.") from None
    return _query(engine, query, image_column, label_column)


def _query(engine: Any, query: str, image_column: str, label_column: str) -> Iterator[Sample]:
    name = "to import from"
    try:
        with translated_errors(name), engine.connect() as connection:
            # Run the query as written: : and % are not parameters.
            options = {"no_parameters": True, "stream_results": True, "yield_per": _ROWS}
            _make_read_only(connection)
            try:
                result = connection.execution_options(**options).exec_driver_sql(query)
                _require("The query", list(result.keys()), image_column, label_column)
            except ResourceClosedError:
                raise RecordsError("The query returns no rows: it must be a SELECT.") from None
            except DBAPIError as error:
                if not _would_write(error):
                    raise
                raise RecordsError(
                    "The query would change its database: it must be a SELECT."
                ) from None
            for number, row in enumerate(result.mappings(), start=1):
                yield Sample(
                    f"row {number}", _bytes_or_file(row[image_column], Path()), row[label_column]
                )
    finally:
        engine.dispose()


def _make_read_only(connection: Connection) -> None:
    """Where the database supports it: a query must not change anything."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def _would_write(error: DBAPIError) -> bool:
    # 25006 is PostgreSQL's "read only transaction".
    state = getattr(error.orig, "sqlstate", None)
    return state == "25006" or "readonly database" in str(error.orig)


def _bytes_or_file(image: object, folder: Path) -> object:
    """A value of an image column as bytes or, relative to ``folder``, a file."""
    if isinstance(image, Mapping):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, memoryview | bytearray):
        return bytes(image)
    return folder / image if isinstance(image, str) and image else image


def _require(where: str, columns: Iterable[str], *names: str) -> None:
    existing = list(columns)
    for name in names:
        if name not in existing:
            listed = ", ".join(existing[:10]) or "none"
            raise RecordsError(f"{where} has no column {name!r}; it has: {listed}.")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
