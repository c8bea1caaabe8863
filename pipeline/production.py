"""Labelled production records as images to train on, and why others are left out."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from errors import ImageError
from images.decoding import read_pixels
from images.spec import ImageSpec
from labels import label_key
from models.manifest import Label
from models.pixels import Row
from models.spill import Content, Spill, spilled
from records.chunks import chunks
from records.database import Database
from records.windows import Record, read

Reason = Literal[
    "unreadable",
    "conflicting labels",
    "new class",
    "blank",
    "duplicate",
    "near a held-out image",
    "suspected label error",
    "not sampled",
]

_FILES = 32


@dataclass(frozen=True)
class LeftOut:
    """An image that is not trained on. ``image``: the request's id, or its number among the
    champion's own."""

    reason: Reason
    image: str
    label: Label | None
    detail: str = ""


@dataclass(frozen=True)
class Sample:
    """One usable image. ``pixels``: uint8 [F]; ``file``: its bytes if they are fewer; maybe both on
    disk. ``source``: SHA-256 of the recorded image that it was made from, else empty; ``group``: as
    in ``models.training_images.TrainingSet``; ``random``: whether it was drawn at random to be
    labelled; ``own``: whether the champion was trained with it at hand."""

    name: str
    pixels: Row
    label: Label
    at: datetime
    weight: float = 1.0
    file: Content | None = None
    source: str = ""
    group: str = ""
    random: bool = False
    own: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the pixels: the same for one image in two files."""
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()


@dataclass
class Gathered:
    """``records``: how many were looked at; ``new_classes``: records by labels that the champion
    does not have."""

    records: int = 0
    samples: list[Sample] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    new_classes: dict[Label, int] = field(default_factory=dict)


def gather(
    database: Database,
    labelled: Sequence[int],
    spec: ImageSpec,
    classes: Sequence[Label],
    *,
    accept_new_classes: bool = False,
    spill: Spill | None = None,
) -> Gathered:
    """The records with these ids, oldest first, without those that have no agreed label or no
    readable image.

    Labels outside ``classes`` are counted in ``new_classes`` and left out unless they are accepted.
    ``spill``: where pixels and files are kept, if not in memory. Raises DatabaseError.
    """
    known = {label_key(label): label for label in classes}
    found = Gathered()
    for ids in chunks(labelled, _FILES):
        with database.reading() as connection:
            records = read(connection, ids)
        for record in records:
            found.records += 1
            sample = _sample(record, spec, known, found, accept_new_classes, spill)
            if isinstance(sample, LeftOut):
                found.left_out.append(sample)
            else:
                found.samples.append(sample)
    found.samples.sort(key=lambda sample: sample.at)
    return found


def _sample(
    record: Record,
    spec: ImageSpec,
    known: dict[tuple[str, Label | None], Label],
    found: Gathered,
    accept_new_classes: bool,
    spill: Spill | None,
) -> Sample | LeftOut:
    name, truth = record.request_id, record.truth
    if truth is None:
        given = ", ".join(f"{source or 'unnamed'}: {label}" for source, label in record.labels)
        return LeftOut("conflicting labels", name, None, given)
    label = known.get(label_key(truth))
    if label is None:
        found.new_classes[truth] = found.new_classes.get(truth, 0) + 1
        fits = {type(one) for one in known.values()} == {type(truth)}
        if not accept_new_classes or not fits:
            return LeftOut("new class", name, truth, "" if fits else "of another type")
        label = truth
    if record.image is None:
        return LeftOut("unreadable", name, label, "its image was not kept")
    try:
        pixels = read_pixels(record.image, spec)
    except ImageError as error:
        return LeftOut("unreadable", name, label, str(error))
    return Sample(
        name=name,
        pixels=spilled(pixels, spill),
        label=label,
        at=record.at,
        weight=record.weight or 1.0,
        file=spilled(record.image, spill) if len(record.image) < spec.n_features else None,
        source=hashlib.sha256(record.image).hexdigest(),
        random=record.drawn == "random",
    )
