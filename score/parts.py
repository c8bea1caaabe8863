"""A run that can be killed at any moment: its results are on the disk, part by part.

Until the output ``results.parquet`` is complete, the folder ``results.parquet.parts`` next to it
contains a description of the run and ``part-<number of its first row>.parquet`` for each chunk, in
whatever order they were done. A part is written under another name, flushed to the disk and
renamed, so that it is either complete or missing.
"""

import contextlib
import fcntl
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from errors import ScoreError
from models.staging import sync
from score.source import Gap

SUFFIX = ".parts"

_RUN = "run.json"
_FINISHED = "finished.json"
_LOCK = "lock"
_JOINED = "joined.parquet"
_NEW = ".new"
_PART = re.compile(r"part-([0-9]{12,})\.parquet")

# The output's row groups are cut by number of rows, so that it does not depend on the parts.
_GROUP_ROWS = 65_536
_GROUP_BYTES = 64 * 2**20
_TEXT_BYTES = 64


class Run(BaseModel):
    """Everything that determines the rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    asked: str
    version: str
    rows: int
    input_sha256: str
    image_column: str
    id_column: str | None
    probabilities: bool
    max_image_pixels: int


class Parts:
    """The folder of the parts of one output, locked by this process until ``close``."""

    def __init__(self, out: Path) -> None:
        """Raises ScoreError if the folder cannot be created, or another process has locked it."""
        self._out = out
        self.path = out.with_name(out.name + SUFFIX)
        with self._writing():
            self.path.mkdir(exist_ok=True)
            self._lock = (self.path / _LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise ScoreError(
                f"Another process is scoring into {out}; wait for it, or choose another --out."
            ) from None
        with self._writing():
            self._tidy()

    def close(self) -> None:
        """Unlock the folder, and remove it if no run was started in it."""
        with contextlib.suppress(OSError):
            if not (self.path / _RUN).exists():
                (self.path / _LOCK).unlink()
                self.path.rmdir()
        self._lock.close()

    def run(self) -> Run | None:
        """The run that was started here, or None. Raises ScoreError if the folder is not ours."""
        with self._writing():
            try:
                return Run.model_validate_json((self.path / _RUN).read_bytes())
            except FileNotFoundError:
                pass
            except ValidationError:
                raise ScoreError(
                    f"{self.path / _RUN} is not a valid description of a run; to start over, "
                    f"delete {self.path}."
                ) from None
            others = sorted(path.name for path in self.path.iterdir() if path.name != _LOCK)
        if others:
            raise ScoreError(
                f"{self.path} contains {others[0]} but no run to continue; delete it, or choose "
                "another --out."
            )
        return None

    def start(self, run: Run) -> None:
        with self._writing():
            new = self.path / (_RUN + _NEW)
            new.write_text(run.model_dump_json(indent=2))
            self._publish(new, self.path / _RUN)
            sync(self.path.parent)

    def gaps(self, rows: int) -> list[Gap]:
        """The rows that no part has. Raises ScoreError if two parts overlap."""
        gaps: list[Gap] = []
        end = 0
        for first, path in self._parts():
            if first > end:
                gaps.append(Gap(end, first))
            if first < end:
                raise ScoreError(
                    f"{path} contains rows that another part has too; to start over, delete "
                    f"{self.path}."
                )
            end = first + pq.read_metadata(path).num_rows
        if end < rows:
            gaps.append(Gap(end, rows))
        return gaps

    def write(self, first: int, table: pa.Table) -> None:
        """Write rows, starting with number ``first``; they are on the disk when this returns."""
        part = self.path / f"part-{first:012d}.parquet"
        new = part.with_suffix(_NEW)
        with self._writing():
            pq.write_table(table, new)
            self._publish(new, part)

    def finish(self, schema: pa.Schema, rows: int) -> int:
        """Join all parts into the output, and remove them; returns the number of errors.

        One rename publishes the output, or replaces the previous one.
        """
        new = self.path / (_JOINED + _NEW)
        with self._writing():
            errors = self._join(new, schema, rows)
            self._publish(new, self.path / _JOINED)
            # A run that is killed after this is complete: at most, its output has to be moved.
            self._publish(self.path / _RUN, self.path / _FINISHED)
            (self.path / _JOINED).replace(self._out)
            sync(self._out.parent)
            self._clear()
        return errors

    def _join(self, new: Path, schema: pa.Schema, rows: int) -> int:
        group = _group_rows(schema)
        errors, written = 0, 0
        pending: list[pa.Table] = []
        with pq.ParquetWriter(new, schema) as writer:
            for _, path in self._parts():
                pending.append(pq.ParquetFile(path).read())
                errors += len(pending[-1]) - pending[-1]["error"].null_count
                if sum(map(len, pending)) >= group:
                    table = pa.concat_tables(pending)
                    whole = len(table) - len(table) % group
                    for start in range(0, whole, group):
                        writer.write_table(table.slice(start, group).combine_chunks(), group)
                    written += whole
                    # Copied, since a slice keeps all of its table in memory.
                    rest = table.slice(whole)
                    pending = [rest.take(pa.array(range(len(rest)), pa.int64()))]
            table = pa.concat_tables([schema.empty_table(), *pending]).combine_chunks()
            if len(table):
                writer.write_table(table, group)
            written += len(table)
        if written != rows:
            raise ScoreError(
                f"The parts in {self.path} have {written:,} rows instead of {rows:,}; to start "
                "over, delete it."
            )
        return errors

    def _parts(self) -> list[tuple[int, Path]]:
        matches = ((_PART.fullmatch(path.name), path) for path in self.path.iterdir())
        return sorted((int(match[1]), path) for match, path in matches if match is not None)

    def _publish(self, new: Path, path: Path) -> None:
        sync(new)
        new.replace(path)
        sync(self.path)

    def _tidy(self) -> None:
        """Complete or remove what a killed process left behind."""
        if (self.path / _FINISHED).exists():
            if (self.path / _JOINED).exists():
                (self.path / _FINISHED).replace(self.path / _RUN)
            else:
                self._clear()
        for path in self.path.glob(f"*{_NEW}"):
            path.unlink()
        (self.path / _JOINED).unlink(missing_ok=True)
        for _, path in self._parts():
            try:
                pq.read_metadata(path)
            except pa.ArrowException:  # the disk lost data that it had confirmed
                path.unlink()

    def _clear(self) -> None:
        """Remove everything, and last the file that marks the run as complete."""
        for path in list(self.path.iterdir()):
            if path.name not in (_LOCK, _FINISHED):
                path.unlink()
        (self.path / _FINISHED).unlink()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ScoreError(
                f"{self.path} cannot be written: {error.strerror or error}; fix that, then run the "
                "same command to continue."
            ) from error


def _group_rows(schema: pa.Schema) -> int:
    width = sum(
        field.type.bit_width // 8 if pa.types.is_primitive(field.type) else _TEXT_BYTES
        for field in schema
    )
    return max(1, min(_GROUP_ROWS, _GROUP_BYTES // max(1, width)))
