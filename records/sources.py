"""Labelled images from elsewhere: a folder, a CSV file, a Parquet file, or a SQL query."""

import csv
from collections.abc import Iterable, Iterator, Mapping
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
from records.failures import translated_errors
from records.parquet import pyarrow

_ROWS: Final = 64
# Bytes of an image; a server takes a sixth of it.
_LARGEST: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """One image, in bytes or as its file, with its label as it was found; ``where`` names it."""

    where: str
    image: object
    label: object


def from_path(path: Path, image_column: str, label_column: str) -> Iterator[Sample]:
    """Samples of a folder with one sub-folder a class, of a ``.csv`` or of a ``.parquet`` file.

    Raises RecordsError when it is none of them, or lacks a column, before the first sample.
    """
    with _read(path):
        if path.is_dir():
            return _folder(path)
    if path.suffix.lower() == ".csv":
        return _csv(path, image_column, label_column)
    if path.suffix.lower() in {".parquet", ".pq"}:
        return _parquet(path, image_column, label_column)
    raise RecordsError(f"{path} is neither a folder, nor a .csv or .parquet file.")


def _folder(path: Path) -> Iterator[Sample]:
    classes = [one for one in sorted(path.iterdir()) if one.is_dir() and one.name[0] != "."]
    if not classes:
        raise RecordsError(f"{path} has no sub-folders: make one of images for each class.")

    def files() -> Iterator[Sample]:
        for folder in classes:
            with _read(folder):
                found = [one for one in sorted(folder.iterdir()) if one.is_file()]
            for file in found:
                if file.name[0] != ".":
                    yield Sample(str(file.relative_to(path)), file, folder.name)

    return files()


@contextmanager
def _read(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordsError(f"{path} cannot be read: {error.strerror or error}.") from None


def read_file(path: Path) -> bytes:
    """An image's bytes; raises RecordsError, with a part of a sentence, for what cannot be one.

    A pipe would be waited for, and a device read, without an end.
    """
    try:
        found = path.stat()
        if S_ISREG(found.st_mode) and found.st_size > _LARGEST:
            raise RecordsError(f"its file has {found.st_size:,} bytes, and {_LARGEST:,} may be")
        if not S_ISREG(found.st_mode) and not S_ISDIR(found.st_mode):
            raise RecordsError("its file cannot be read: it is no ordinary file")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordsError(f"its file cannot be read: {reason}") from None


def _csv(path: Path, image_column: str, label_column: str) -> Iterator[Sample]:
    """The image column names files, from the CSV's own folder on."""
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
    """The image column has bytes, structs with ``bytes`` as Hugging Face writes, or file names."""
    pa = pyarrow()
    import pyarrow.parquet as pq

    try:
        columns = pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise RecordsError(f"{path} cannot be read as Parquet: {_line(error)}.") from None
    _require(str(path), columns, image_column, label_column)

    def rows() -> Iterator[Sample]:
        number = 0
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_ROWS, columns=[image_column, label_column]):
                    for row in batch.to_pylist():
                        number += 1
                        image = _near(row[image_column], path.parent)
                        yield Sample(f"row {number}", image, row[label_column])
        except (OSError, pa.ArrowException) as error:
            raise RecordsError(f"{path} cannot be read as Parquet: {_line(error)}.") from None

    return rows()


def from_query(url: str, query: str, image_column: str, label_column: str) -> Iterator[Sample]:
    """Samples of any database that SQLAlchemy has a driver for; file names are from here on.

    Raises RecordsError, with neither the query's values nor the URL's password.
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
            "The URL to import from cannot be read: write it as "
            "postgresql://user:password@host/name."
        ) from None
    except (NoSuchModuleError, ImportError):
        name = urlsplit(url).scheme
        raise RecordsError(f"There is no driver for {name!r} here: install one.") from None
    return _query(engine, query, image_column, label_column)


def _query(engine: Any, query: str, image_column: str, label_column: str) -> Iterator[Sample]:
    name = "to import from"
    try:
        with translated_errors(name), engine.connect() as connection:
            # As it was written: neither : nor % has a meaning of ours.
            options = {"no_parameters": True, "stream_results": True, "yield_per": _ROWS}
            _only_read(connection)
            try:
                found = connection.execution_options(**options).exec_driver_sql(query)
                _require("The query", list(found.keys()), image_column, label_column)
            except ResourceClosedError:
                raise RecordsError("The query returns no rows: begin it with SELECT.") from None
            except DBAPIError as error:
                if not _would_write(error):
                    raise
                raise RecordsError(
                    "The query would change its database: begin it with SELECT."
                ) from None
            for number, row in enumerate(found.mappings(), start=1):
                yield Sample(f"row {number}", _near(row[image_column], Path()), row[label_column])
    finally:
        engine.dispose()


def _only_read(connection: Connection) -> None:
    """Where the database can be told: a query is to find images, whatever else it says."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def _would_write(error: DBAPIError) -> bool:
    # 25006 is PostgreSQL's "read only transaction".
    state = getattr(error.orig, "sqlstate", None)
    return state == "25006" or "readonly database" in str(error.orig)


def _near(image: object, folder: Path) -> object:
    """What an image column may hold, as bytes or as a file."""
    if isinstance(image, Mapping):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, memoryview | bytearray):
        return bytes(image)
    return folder / image if isinstance(image, str) and image else image


def _require(where: str, columns: Iterable[str], *names: str) -> None:
    has = list(columns)
    for name in names:
        if name not in has:
            listed = ", ".join(has[:10]) or "none"
            raise RecordsError(f"{where} has no column {name!r}, but these: {listed}.")


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
