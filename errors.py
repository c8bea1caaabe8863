"""Every error that Pupila raises on purpose, in one tree.

PupilaError
├── SettingsError             a setting that cannot be
├── SpecError                 an image spec that cannot be
├── ImageError                bytes that are no image we read
├── DatasetError              training data that cannot be trained on
├── RecipeError               a recipe or search that cannot run
├── ClusterError              a Dask cluster that cannot be used
├── ScoreError                offline scoring that cannot begin, or go on, as asked
├── RecordsError              records that cannot be kept, or read, as asked
│   ├── SchemaError           a database whose tables are another Pupila's
│   └── DatabaseError         a database that is away, locked or full: worth another try
├── MonitorError              a window that cannot be looked at, or a report not delivered
├── ModelError
│   ├── PickleError           a pickle that is no classifier we can read
│   ├── ConversionError       an estimator that has no ONNX graph
│   │   └── ParityError       a graph that does not do what its estimator does
│   ├── ArtifactError         the files of a version: missing, altered, or of another schema
│   └── UnknownVersionError   a model or version that the store does not have
└── RequestError              what a client is told, with its HTTP status
    ├── BadRequestError       400
    │   └── RejectedImageError    bytes that are no image we read
    ├── NotFoundError         404
    ├── BodyTimeoutError      408
    ├── BodyTooLargeError     413
    ├── ClientLeftError       499, which nobody reads
    ├── InternalError         500
    └── OverloadedError       503, with the seconds after which to try again

The text of each is one sentence for the person who can mend it: what was wrong, and what would be
right. The command line prints it alone and exits with 1; the server answers with it.
"""

from typing import Literal


class PupilaError(Exception):
    """Base of all errors raised on purpose."""


class SettingsError(PupilaError):
    """A setting is of another type, or outside its range."""


class SpecError(PupilaError):
    """An image spec names no size or mode that can be."""


class ImageError(PupilaError):
    """The text is the reason alone, to follow ``Invalid image data: ``."""


class DatasetError(PupilaError):
    """The training data cannot be trained on."""


class RecipeError(PupilaError):
    """There is no such recipe, or it cannot be run as asked."""


class ClusterError(PupilaError):
    """The Dask cluster cannot be reached, or cannot do the work."""


class ScoreError(PupilaError):
    """The images cannot be scored as asked, or their results not be kept."""


class RecordsError(PupilaError):
    """The records cannot be kept, or read, as asked; another try would end the same."""


class SchemaError(RecordsError):
    """The database's tables are of an older or newer Pupila, or of another program."""


class DatabaseError(RecordsError):
    """The database is away, locked, full or slow; nothing was written, and it may be later."""


class MonitorError(PupilaError):
    """A window cannot be looked at as asked, or its report not be delivered."""


class ModelError(PupilaError):
    """Something about a model, a version or its files."""


class PickleError(ModelError):
    """A pickle holds no classifier that can be read here."""


class ConversionError(ModelError):
    """The estimator has no ONNX graph that may be served."""


class ParityError(ConversionError):
    """The graph's answers are not its estimator's, or come slower."""


class ArtifactError(ModelError):
    """A version's files are missing, altered, or written by another schema."""


class UnknownVersionError(ModelError):
    """The store has no such model or version."""


class RequestError(PupilaError):
    """What a client is told: an HTTP status and one sentence."""

    status = 500


class BadRequestError(RequestError):
    status = 400


class RejectedImageError(BadRequestError):
    """The image was sent whole, and is none that we read; ``reason`` is why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Invalid image data: {reason}")
        self.reason = reason


class NotFoundError(RequestError):
    status = 404


class BodyTimeoutError(RequestError):
    status = 408


class BodyTooLargeError(RequestError):
    status = 413


class ClientLeftError(RequestError):
    """Nobody waits for the answer; the status is nginx's for it, and only metrics see it."""

    status = 499


class InternalError(RequestError):
    status = 500


class OverloadedError(RequestError):
    """No time or room for this request; ``retry_after`` is in whole seconds."""

    status = 503

    def __init__(
        self,
        detail: str,
        reason: Literal["capacity", "deadline", "expired", "loading", "records"],
        retry_after: int = 1,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.retry_after = retry_after
