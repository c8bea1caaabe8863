"""Writes the labels of a request to the database, on a few threads."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from errors import (
    BadRequestError,
    ForbiddenError,
    ImageError,
    NotFoundError,
    RejectedImageError,
    RequestError,
)
from images.decoding import examine
from models.manifest import Label
from models.names import model_name
from records.key import Key
from serving.http.parser import LabelItem, TrueLabel
from serving.http.schema import FeedbackResponse
from serving.recording.connection import RecordsConnection

if TYPE_CHECKING:
    from records.labels import Outcome

_THREADS = 4

Result = FeedbackResponse | RequestError

Classes = Callable[[str], tuple[Label, ...] | None]
"""The classes of a model by its name; None for an unknown model. Called from any thread."""


class LabelWriter:
    """Keeps labels, and says what became of each."""

    def __init__(self, classes: Classes, records: RecordsConnection, max_pixels: int) -> None:
        self._classes = classes
        self._records = records
        self._max_pixels = max_pixels
        self._threads = ThreadPoolExecutor(_THREADS, "feedback")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def write(
        self, items: Sequence[LabelItem], with_images: bool, key: Key | None = None
    ) -> list[Result]:
        """A result for each item, in order; NotFoundError for one whose prediction was not kept.

        ``with_images``: whether a label that comes with its model and image is kept without its
        prediction. ``key``: the one that the labels came with. Raises DatabaseError or SchemaError;
        then nothing was kept.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._write, items, with_images, key)

    def _write(
        self, items: Sequence[LabelItem], with_images: bool, key: Key | None
    ) -> list[Result]:
        """In one transaction."""
        results: list[Result] = [self._fault(item, key) or not_kept(item) for item in items]
        while True:
            valid = [i for i, result in enumerate(results) if isinstance(result, NotFoundError)]
            try:
                outcomes = self._add([items[i] for i in valid], with_images, key)
            except _RefusedError as wrong:
                # The transaction was rolled back: try again without these.
                for position, fault in wrong.faults.items():
                    results[valid[position]] = fault
                continue
            for index, outcome in zip(valid, outcomes, strict=True):
                if outcome.status == "full":
                    results[index] = _full(items[index])
                elif outcome.status != "unknown":
                    results[index] = _response(items[index], outcome)
            return results

    def _fault(self, item: LabelItem, key: Key | None) -> RequestError | None:
        """What is wrong with an item, as far as that shows without the database."""
        true_label = item.true_label
        if isinstance(true_label, BadRequestError):
            return true_label
        model = model_name(true_label.model) if true_label.model is not None else None
        fault = self._model_fault(item, model, key)
        if fault is not None or true_label.image is None:
            return fault
        if model is None or self._classes(model) is None:
            return BadRequestError("Invalid model name")
        try:
            examine(true_label.image, self._max_pixels)
        except ImageError as error:
            return RejectedImageError(str(error))
        return None

    def _add(
        self, items: Sequence[LabelItem], with_images: bool, key: Key | None
    ) -> "list[Outcome]":
        from records.labels import add_labels

        with self._records.open() as database, database.writing() as connection:
            outcomes = add_labels(
                connection, [_stored(item, with_images, key) for item in items], self._classes
            )
            faults = {
                position: fault
                for position, (item, outcome) in enumerate(zip(items, outcomes, strict=True))
                if (fault := self._model_fault(item, outcome.model, key))
            }
            if faults:
                raise _RefusedError(faults)
        return outcomes

    def _model_fault(
        self, item: LabelItem, model: str | None, key: Key | None
    ) -> RequestError | None:
        """Why a label for this model is not kept."""
        if model is not None and key is not None and not key.allows(model):
            return ForbiddenError(f"The key {key.name} is not for the model {model}.")
        classes = self._classes(model) if model is not None else None
        true_label = item.true_label
        if not classes or isinstance(true_label, BadRequestError):
            return None
        if type(true_label.label) is type(classes[0]):
            return None
        return BadRequestError(
            f"label must be {_type_name(classes[0])}, like the labels of {model}, not "
            f"{_type_name(true_label.label)}."
        )


class _RefusedError(Exception):
    """Labels that their model does not take, or not from this key, by their position."""

    def __init__(self, faults: dict[int, RequestError]) -> None:
        super().__init__()
        self.faults = faults


def not_kept(item: LabelItem) -> NotFoundError:
    """The error of a label whose prediction is not in the database."""
    return NotFoundError(
        f"No prediction with request_id {item.request_id!r} was kept; send its model and image "
        "as well to keep the label."
    )


def _full(item: LabelItem) -> BadRequestError:
    from records.labels import MAX_PER_PREDICTION

    return BadRequestError(
        f"The prediction with request_id {item.request_id!r} has {MAX_PER_PREDICTION} labels "
        "already, which is the limit."
    )


def _stored(item: LabelItem, with_images: bool, key: Key | None) -> Any:
    from records.labels import NewLabel

    true_label = item.true_label
    assert isinstance(true_label, TrueLabel)  # noqa: S101 - for the type checker
    return NewLabel(
        str(item.request_id),
        true_label.label,
        None if true_label.model is None else model_name(true_label.model),
        true_label.image if with_images else None,
        # Whoever has a key cannot label in another's name.
        true_label.source if key is None else key.name,
        None if key is None else key.name,
        None if key is None else true_label.source or None,
    )


def _response(item: LabelItem, outcome: "Outcome") -> FeedbackResponse:
    assert item.request_id is not None  # noqa: S101 - an item without one is an error
    assert outcome.status != "unknown"  # noqa: S101 - for the type checker
    assert outcome.status != "full"  # noqa: S101 - for the type checker
    return {
        "request_id": item.request_id,
        "outcome": outcome.status,
        "model": outcome.model or "",
        "version": outcome.version or "",
        "known": outcome.known,
        "conflict": outcome.conflict,
    }


def _type_name(label: Label) -> str:
    return "a string" if isinstance(label, str) else "an integer"
