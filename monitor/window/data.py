"""The records of a window with their pixels, decoded a few files at a time to save memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from images.decoding import MAX_PIXELS
from models.small import small_copies
from monitor.window.images import DecodedImages, Failure, decode
from monitor.window.version import Inputs, MonitoredVersion
from records.chunks import chunks
from records.database import Database
from records.windows import Record, answered_by, read, window
from settings import settings

MAX_RECORDS = 2_000
"""Of a window: enough for the 1,000 images of the drift detector after ``monitor.drift.thinning``
has dropped some."""

ANSWERING = ("champion", "challenger")
"""The roles in which a version answers those who ask for the model."""

_MAX_BYTES = 256 * 2**20
_MIN_RECORDS = 200
_FILES = 32


@dataclass(frozen=True, eq=False)
class WindowData:
    """``records`` come without their images' bytes; ``decoded``: all images that can be decoded.

    Predictions are the accepted ones among these: ``rows``: int64 [n], their indices among the
    records; ``pixels``: uint8 [n, F]; ``outputs``: float32 [n, C], what the version answered, or
    would have answered where another one did; ``own``: bool [n], whether it was itself asked.
    ``answered``: how many records of the window there are of each version, of which ``records`` may
    be a sample.
    """

    records: Sequence[Record]
    decoded: DecodedImages
    rows: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    outputs: NDArray[np.float32]
    own: NDArray[np.bool_]
    answered: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def total(self) -> int:
        """All records of the window, looked at or not."""
        return max(sum(self.answered.values()), len(self.records))

    @cached_property
    def inputs(self) -> Inputs:
        """What the classifier takes of the predictions: embeddings, or pixels."""
        if self.decoded.embeddings is None:
            return self.pixels
        places = {int(row): place for place, row in enumerate(self.decoded.rows)}
        return self.decoded.embeddings[[places[int(row)] for row in self.rows]]

    @property
    def embeddings(self) -> NDArray[np.float32] | None:
        """float32 [n, dimension], if the version has an extractor."""
        inputs = self.inputs
        return None if inputs.dtype == np.uint8 else inputs.astype(np.float32, copy=False)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """float64 [n]: how many requests each prediction stands for."""
        weights = (self.records[row].weight for row in self.rows)
        return np.array([weight or 1.0 for weight in weights], dtype=np.float64)

    def record(self, index: int) -> Record:
        """The record of a prediction, by its index in ``rows``."""
        return self.records[int(self.rows[index])]

    def pixels_of(self, row: int) -> NDArray[np.uint8] | None:
        """uint8 [F] of a record's image, accepted or rejected; None if it cannot be decoded."""
        indices = np.flatnonzero(self.decoded.rows == row)
        return self.decoded.pixels[indices[0]] if len(indices) else None


def gather(
    database: Database,
    monitored: MonitoredVersion,
    start: datetime | None,
    end: datetime | None,
    maximum: int = MAX_RECORDS,
    *,
    alone: bool = False,
) -> WindowData:
    """The records of a window, or a random sample of them: those of the version and, unless
    ``alone``, of others that answered for the model, such as the one that it has replaced.

    The images say what production looks like whoever answered. Not those of a version that was
    asked for by its tag. Raises DatabaseError.
    """
    data = sampled(database, monitored, start, end, maximum, alone=alone)
    answered = answered_by(
        database,
        monitored.model,
        version=monitored.version.version,
        or_roles=() if alone else ANSWERING,
        start=start,
        end=end,
    )
    return replace(data, answered=answered)


def sampled(
    database: Database,
    monitored: MonitoredVersion,
    start: datetime | None,
    end: datetime | None,
    maximum: int,
    *,
    alone: bool = False,
) -> WindowData:
    """``gather`` without counting of how many these are a sample. Raises DatabaseError."""
    fitting = max(_MIN_RECORDS, _MAX_BYTES // monitored.spec.n_features)
    records = window(
        database,
        monitored.model,
        version=monitored.version.version,
        or_roles=() if alone else ANSWERING,
        start=start,
        end=end,
        limit=min(maximum, fitting),
        status=None,
        with_images=False,
        by_chance=True,
    )
    return load(database, monitored, records)


def load(database: Database, monitored: MonitoredVersion, records: Sequence[Record]) -> WindowData:
    """The images of records that were read without them. Raises DatabaseError."""
    decoded = _decode(database, records, monitored)
    accepted = np.array([records[row].status == 200 for row in decoded.rows], dtype=bool)
    rows, pixels = decoded.rows[accepted], decoded.pixels[accepted]
    version = monitored.version.version
    own = np.array([records[row].version == version for row in rows], dtype=bool)
    outputs = np.empty((len(rows), len(monitored.labels)), np.float32)
    data = WindowData(records, decoded, rows, pixels, outputs, own)
    inputs = data.inputs
    outputs[own] = monitored.outputs([records[row] for row in rows[own]], inputs[own])
    if not own.all():
        outputs[~own] = monitored.answers(inputs[~own], monitored.runtime)
    return data


def _decode(
    database: Database, records: Sequence[Record], monitored: MonitoredVersion
) -> DecodedImages:
    row_of = {record.id: row for row, record in enumerate(records)}
    spec, embedder = monitored.version.manifest.image_spec, monitored.embedder
    no_pixels = np.empty((0, monitored.spec.n_features), np.uint8)
    embeddings = [] if embedder is None else [np.empty((0, embedder.dimension), np.float32)]
    parts = [DecodedImages(no_pixels, np.empty(0, np.int64), np.empty((0, 2), np.int64))]
    failures: list[Failure] = []
    # A server with a higher limit has accepted images that this one's would not.
    max_pixels = max(settings().max_image_pixels, MAX_PIXELS)
    for ids in chunks(row_of, _FILES):
        with database.reading() as connection:
            chunk = read(connection, ids)
        part = decode(chunk, spec, max_pixels)
        rows = np.array([row_of[record.id] for record in chunk], dtype=np.int64)
        pixels = part.pixels
        if embedder is not None:
            embeddings.append(embedder.run(spec.features(pixels)))
            pixels = small_copies(pixels, spec)
        parts.append(DecodedImages(pixels, rows[part.rows], part.sizes))
        failures += [replace(failure, row=int(rows[failure.row])) for failure in part.failures]
    rows = np.concatenate([part.rows for part in parts])
    return DecodedImages(
        pixels=np.concatenate([part.pixels for part in parts]),
        rows=rows,
        sizes=np.concatenate([part.sizes for part in parts]),
        failures=tuple(failures),
        without=len(records) - len(rows) - len(failures),
        embeddings=np.concatenate(embeddings) if embeddings else None,
    )
