"""Imports labelled images as records; importing an image again adds nothing."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Final

from errors import ImageError, RecordsError
from images.decoding import MAX_PIXELS, read_pixels
from images.spec import ImageSpec
from labels import plain
from records.database import Database
from records.labels import MAX_PER_PREDICTION, NewLabel, add_labels
from records.prediction import Label
from records.sources import Sample, read_file

# Each image is decoded once, to see that it can be; whatever a model resizes it to.
_SPEC: Final = ImageSpec.parse("gray-8x8")
# The server's limit, too.
_LABEL_CHARACTERS: Final = 256
_TRANSACTION_LABELS: Final = 500
_TRANSACTION_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True)
class Fault:
    """A sample that was skipped, and why."""

    where: str
    reason: str


@dataclass(frozen=True)
class Imported:
    """Numbers of images; ``corrected``: those that had another label from the same source."""

    added: int
    unchanged: int
    corrected: int
    faults: tuple[Fault, ...]


@dataclass
class _Pending:
    """What the next transaction writes."""

    labels: list[NewLabel] = field(default_factory=list)
    bytes: int = 0

    def add(self, label: NewLabel) -> None:
        self.labels.append(label)
        self.bytes += len(label.image or b"")

    @property
    def full(self) -> bool:
        return len(self.labels) >= _TRANSACTION_LABELS or self.bytes >= _TRANSACTION_BYTES


def import_samples(
    database: Database,
    samples: Iterable[Sample],
    model: str,
    *,
    source: str = "import",
    integers: bool = False,
    max_pixels: int = MAX_PIXELS,
    on_progress: Callable[[int], None] = lambda _done: None,
) -> Imported:
    """Store samples as predictions of origin 'import' with a label, some hundred a transaction.

    An image is identified by its SHA-256, so importing it again changes nothing. It must be one
    that the server reads, up to its ``max_pixels``, and the monitor, up to MAX_PIXELS.
    ``integers``: labels that are text are read as integers. Samples without a readable image or a
    label are skipped and listed. Raises DatabaseError; what was imported until then stays, and a
    retry continues there.
    """
    seen: dict[str, Label] = {}
    faults: list[Fault] = []
    outcomes: Counter[str] = Counter()
    pending = _Pending()

    def write() -> None:
        if pending.labels:
            with database.writing() as connection:
                # Only the model store knows which classes a model has.
                written = add_labels(connection, pending.labels, lambda _model: None, "import")
            outcomes.update(outcome.status for outcome in written)
            faults.extend(
                Fault(outcome.request_id, f"it has {MAX_PER_PREDICTION} labels already")
                for outcome in written
                if outcome.status == "full"
            )
        pending.labels, pending.bytes = [], 0

    for number, sample in enumerate(samples, start=1):
        on_progress(number)
        try:
            label = _label(sample.label, integers=integers)
            image = _image(sample.image, min(max_pixels, MAX_PIXELS))
        except (RecordsError, ImageError) as error:
            faults.append(Fault(sample.where, str(error)))
            continue
        request_id = f"import-{sha256(image).hexdigest()}"
        if seen.setdefault(request_id, label) != label:
            reason = f"the same image also has the label {seen[request_id]!r}"
            faults.append(Fault(sample.where, reason))
            continue
        pending.add(NewLabel(request_id, label, model, image, source))
        if pending.full:
            write()
    write()
    return Imported(outcomes["added"], outcomes["unchanged"], outcomes["corrected"], tuple(faults))


def _label(value: object, *, integers: bool) -> Label:
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    value = plain(value)
    # pandas writes NaN where a table has no value.
    if value is None or value == "" or value != value:
        raise RecordsError("it has no label")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise RecordsError(f"its label {value!r} is not an integer or a string")
    if isinstance(value, str) and len(value) > _LABEL_CHARACTERS:
        raise RecordsError(
            f"its label has {len(value):,} characters; the limit is {_LABEL_CHARACTERS}"
        )
    if not integers:
        return value
    try:
        # A spreadsheet writes 8 as 8.0.
        number = plain(float(value)) if isinstance(value, str) and "." in value else int(value)
    except ValueError:
        number = None
    if not isinstance(number, int):
        raise RecordsError(f"its label {value!r} is not an integer")
    return number


def _image(value: object, max_pixels: int) -> bytes:
    if isinstance(value, Path):
        value = read_file(value)
    if not value:
        raise RecordsError("it has no image")
    if not isinstance(value, bytes):
        raise RecordsError(f"its image has the type {type(value).__name__}, not bytes")
    read_pixels(value, _SPEC, max_pixels)
    return value
