"""Labelled images from elsewhere become records, each image once however often it is imported."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Final

from errors import RecordsError
from records.database import Database
from records.labels import NewLabel, add_labels
from records.prediction import Label
from records.sources import Sample, read_file

# As images.decoding reads them.
_FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
# As the server takes them.
_LABEL: Final = 256
_BATCH_ROWS: Final = 500
_BATCH_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True)
class Fault:
    """A sample that was skipped."""

    where: str
    reason: str


@dataclass(frozen=True)
class Imported:
    """``corrected``: images that were there with another label of the same source."""

    added: int
    unchanged: int
    corrected: int
    faults: tuple[Fault, ...]


@dataclass
class _Batch:
    items: list[NewLabel] = field(default_factory=list)
    bytes: int = 0

    def add(self, item: NewLabel) -> None:
        self.items.append(item)
        self.bytes += len(item.image or b"")

    @property
    def full(self) -> bool:
        return len(self.items) >= _BATCH_ROWS or self.bytes >= _BATCH_BYTES


def import_samples(
    database: Database,
    samples: Iterable[Sample],
    model: str,
    *,
    source: str = "import",
    integers: bool = False,
    on_progress: Callable[[int], None] = lambda _done: None,
) -> Imported:
    """Keep samples as predictions of origin 'import' with a label, in transactions of some hundred.

    An image is known by its SHA-256: importing it again changes nothing. ``integers``: labels that
    are text are read as integers. Whatever is no image, or has no label, is skipped and listed.
    Raises DatabaseError, after which what was imported stays, and another try goes on from there.
    """
    seen: dict[str, Label] = {}
    faults: list[Fault] = []
    outcomes: Counter[str] = Counter()
    batch = _Batch()

    def keep() -> None:
        if batch.items:
            with database.writing() as connection:
                # Which classes the model has, the store knows, and no record does.
                found = add_labels(connection, batch.items, lambda _model: None, "import")
            outcomes.update(outcome.status for outcome in found)
        batch.items, batch.bytes = [], 0

    for number, sample in enumerate(samples, start=1):
        on_progress(number)
        try:
            label = _label(sample.label, integers=integers)
            image = _image(sample.image)
            request_id = f"import-{sha256(image).hexdigest()}"
        except RecordsError as error:
            faults.append(Fault(sample.where, str(error)))
            continue
        if seen.setdefault(request_id, label) != label:
            reason = f"the same image is labelled {seen[request_id]!r} too"
            faults.append(Fault(sample.where, reason))
            continue
        batch.add(NewLabel(request_id, label, model, image, source))
        if batch.full:
            keep()
    keep()
    return Imported(outcomes["added"], outcomes["unchanged"], outcomes["corrected"], tuple(faults))


def _label(value: object, *, integers: bool) -> Label:
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    if value is None or value == "":
        raise RecordsError("it has no label")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise RecordsError(f"its label {value!r} is neither an integer nor a text")
    if isinstance(value, str) and len(value) > _LABEL:
        raise RecordsError(f"its label has {len(value):,} characters, and {_LABEL} may be")
    if not integers:
        return value
    try:
        return int(value)
    except ValueError:
        raise RecordsError(f"its label {value!r} is no integer") from None


def _image(value: object) -> bytes:
    if isinstance(value, Path):
        value = read_file(value)
    if not value:
        raise RecordsError("it has no image")
    if not isinstance(value, bytes):
        raise RecordsError(f"its image is of type {type(value).__name__}, and not bytes")
    _check_image(value)
    return value


def _check_image(content: bytes) -> None:
    from PIL import Image

    with warnings.catch_warnings():
        # Too many pixels: no more than a warning to Pillow, up to twice as many.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(BytesIO(content), formats=_FORMATS) as image:
                image.verify()
        except Exception:  # noqa: BLE001 - Pillow raises almost anything on broken files
            raise RecordsError("it is no JPEG, PNG, WebP, BMP or GIF that can be read") from None
