"""The records of a window, and the pixels of their images, a few files in memory at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec
from monitor.drift.detector import Window
from monitor.window.images import Decoded, Failure, decode
from monitor.window.version import MonitoredVersion
from records.chunks import chunks
from records.database import Database
from records.windows import Record, read, window

MOST = 2_000
"""Records of a window that are inspected: enough for the 1,000 images that the drift detector takes
after ``monitor.drift.thinning`` has dropped some."""

_MOST_BYTES = 256 * 2**20
_LEAST = 200
_FILES = 32


@dataclass(frozen=True, eq=False)
class Gathered:
    """``records`` are without their images' bytes; ``decoded``: what these show; ``outputs``:
    float32 [n, C], what was answered, of the images ``rows`` (int64 [n], places among the
    records): those that were accepted and can be read."""

    records: Sequence[Record]
    decoded: Decoded
    rows: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    outputs: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """float64 [n]: how many requests each image stands for."""
        found = (self.records[row].weight for row in self.rows)
        return np.array([weight or 1.0 for weight in found], dtype=np.float64)

    @cached_property
    def window(self) -> Window:
        return Window(self.pixels, self.outputs, self.weights)

    def record(self, place: int) -> Record:
        """Of the image at a place of ``rows``."""
        return self.records[int(self.rows[place])]

    def of_record(self, row: int) -> NDArray[np.uint8] | None:
        """The pixels, uint8 [F], of a record's image, whether it was accepted or not."""
        place = np.flatnonzero(self.decoded.rows == row)
        return self.decoded.pixels[place[0]] if len(place) else None


def gather(
    database: Database,
    subject: MonitoredVersion,
    start: datetime | None,
    end: datetime | None,
    most: int = MOST,
) -> Gathered:
    """What was recorded of the version in a window: all, or a random sample. DatabaseError."""
    bound = max(_LEAST, _MOST_BYTES // subject.spec.n_features)
    records = window(
        database,
        subject.model,
        version=subject.version.version,
        start=start,
        end=end,
        limit=min(most, bound),
        status=None,
        with_images=False,
    )
    return load(database, subject, records)


def load(database: Database, subject: MonitoredVersion, records: Sequence[Record]) -> Gathered:
    """The images of records that were read without them."""
    decoded = _decode(database, records, subject.spec)
    accepted = np.array([records[row].status == 200 for row in decoded.rows], dtype=bool)
    rows, pixels = decoded.rows[accepted], decoded.pixels[accepted]
    outputs = subject.outputs([records[row] for row in rows], pixels)
    return Gathered(records, decoded, rows, pixels, outputs)


def _decode(database: Database, records: Sequence[Record], spec: ImageSpec) -> Decoded:
    places = {one.id: row for row, one in enumerate(records)}
    parts = [Decoded(np.empty((0, spec.n_features), np.uint8), *_nothing())]
    failures: list[Failure] = []
    for ids in chunks(places, _FILES):
        with database.reading() as connection:
            found = read(connection, ids)
        part = decode(found, spec)
        own = np.array([places[one.id] for one in found], dtype=np.int64)
        parts.append(Decoded(part.pixels, own[part.rows], part.sizes))
        failures += [Failure(int(own[one.row]), one.reason) for one in part.failures]
    rows = np.concatenate([part.rows for part in parts])
    return Decoded(
        pixels=np.concatenate([part.pixels for part in parts]),
        rows=rows,
        sizes=np.concatenate([part.sizes for part in parts]),
        failures=tuple(failures),
        without=len(records) - len(rows) - len(failures),
    )


def _nothing() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.empty(0, np.int64), np.empty((0, 2), np.int64)
