"""Every error that Pupila raises on purpose, in one tree.

PupilaError
├── SettingsError             a setting that is not valid
├── SpecError                 an image spec that is not valid
├── ImageError                a file that is not a readable image
│   └── TooLargeImageError    an image with more pixels than the limit
├── DatasetError              data that a classifier cannot be trained on
├── RecipeError               a recipe or a search that cannot run
├── ClusterError              a Dask cluster that cannot be used
├── ScoreError                offline scoring that cannot start or continue
├── RecordsError              records that cannot be written or read
│   ├── SchemaError           a database with tables of another version of Pupila
│   └── DatabaseError         a database that is unreachable, locked or full: try again later
│       ├── CommitLostError   one that broke off before it said whether it has committed
│       └── DiskFullError     one whose disk is full
├── KeysError                 a key or a file of keys that cannot be used
├── MonitorError              a window that cannot be inspected, or a report that was not delivered
├── PipelineError             data that cannot be assembled, or a retraining that cannot run
├── RolloutError              a promotion, rollback or rollout that cannot be done
├── DemoError                 a demonstration that cannot go on
├── ModelError
│   ├── PickleError           a pickle that is not a usable classifier
│   ├── SourceError           a server or folder that no model can be taken from
│   ├── ConversionError       an estimator that cannot be converted to ONNX
│   │   └── ParityError       an ONNX graph that does not predict what its estimator predicts
│   ├── ArtifactError         files of a version that are missing, altered, or of another schema
│   └── UnknownVersionError   a model or version that is not in the store
└── RequestError              an answer to a client that is not 200, with its HTTP status
    ├── BadRequestError       400
    │   └── RejectedImageError    bytes that are not a readable image
    ├── UnauthorizedError     401
    ├── ForbiddenError        403
    ├── NotFoundError         404
    ├── WrongMethodError      405
    ├── BodyTimeoutError      408
    ├── ConflictError         409
    ├── BodyTooLargeError     413
    ├── UnsupportedEncodingError  415
    ├── TooManyRequestsError  429, with the key's limit and when to try again
    ├── HeadTooLargeError     431
    ├── ClientGoneError       499, which nobody receives
    ├── InternalError         500
    │   └── UnusableScoresError   a classifier whose scores of an image are not numbers
    └── OverloadedError       503, with the seconds after which to try again

The text of each is one sentence for the person who can fix it: what was wrong, and what would be
right. A command prints it and exits with 1; the server sends it to the client.
"""

from typing import Literal


class PupilaError(Exception):
    """Base of all errors raised on purpose."""


class SettingsError(PupilaError):
    """A setting has the wrong type or is out of range."""


class SpecError(PupilaError):
    """The text does not name a valid image spec."""


class ImageError(PupilaError):
    """The text is the reason alone, to follow ``Invalid image data: ``."""


class TooLargeImageError(ImageError):
    """The file may be in order; it was not decoded because of the pixels that it declares."""


class DatasetError(PupilaError):
    """A classifier cannot be trained on this data."""


class RecipeError(PupilaError):
    """There is no such recipe, or it cannot run with these data and options."""


class ClusterError(PupilaError):
    """The Dask cluster cannot be reached, or cannot do the work."""


class ScoreError(PupilaError):
    """The input cannot be scored with these options, or the results cannot be written."""


class RecordsError(PupilaError):
    """The records cannot be written or read; trying again would not help."""


class SchemaError(RecordsError):
    """The database's tables belong to an older or newer Pupila, or to another program."""


class DatabaseError(RecordsError):
    """The database is unreachable, locked, full or slow; nothing was written. Try again later."""


class CommitLostError(DatabaseError):
    """The connection broke before it was known whether ``transaction`` was committed."""

    def __init__(self, message: str, transaction: int) -> None:
        super().__init__(message)
        self.transaction = transaction


class DiskFullError(DatabaseError):
    """There is no room on the database's disk."""


class KeysError(PupilaError):
    """A key cannot be made, changed or read."""


class MonitorError(PupilaError):
    """The window cannot be inspected, or its report cannot be delivered."""


class PipelineError(PupilaError):
    """The data for a retraining cannot be assembled, or the retraining cannot run."""


class RolloutError(PupilaError):
    """What was asked of an alias or a rollout cannot be done as things stand."""


class DemoError(PupilaError):
    """The demonstration cannot go on, or what it waits for has not come in time."""


class ModelError(PupilaError):
    """A model, a version or its files cannot be used."""


class PickleError(ModelError):
    """The pickle does not contain a classifier that can be used here."""


class SourceError(ModelError):
    """The MLflow server, or the folder, has no model that can be taken from there."""


class ConversionError(ModelError):
    """The estimator has no ONNX graph that may be served."""


class ParityError(ConversionError):
    """The graph does not predict what its estimator predicts."""


class ArtifactError(ModelError):
    """A version's files are missing, altered, or of another schema."""


class UnknownVersionError(ModelError):
    """The store does not have this model or version."""


class RequestError(PupilaError):
    """A request that fails: an HTTP status, and one sentence for the client."""

    status = 500


class BadRequestError(RequestError):
    status = 400


class RejectedImageError(BadRequestError):
    """The image arrived complete but is not readable; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Invalid image data: {reason}")
        self.reason = reason


class UnauthorizedError(RequestError):
    """No key, or none that counts; the sentence never repeats it."""

    status = 401


class ForbiddenError(RequestError):
    """The client may not ask this: by its key, or from its page."""

    status = 403


class NotFoundError(RequestError):
    status = 404


class WrongMethodError(RequestError):
    status = 405


class BodyTimeoutError(RequestError):
    status = 408


class ConflictError(RequestError):
    """What was asked cannot be done as things stand."""

    status = 409


class BodyTooLargeError(RequestError):
    status = 413


class UnsupportedEncodingError(RequestError):
    """The body has a Content-Encoding that is not read."""

    status = 415


class TooManyRequestsError(RequestError):
    """The ``limit`` of a key is used up for ``retry_after`` whole seconds."""

    status = 429

    def __init__(self, detail: str, limit: int, retry_after: int) -> None:
        super().__init__(detail)
        self.limit = limit
        self.retry_after = retry_after


class HeadTooLargeError(RequestError):
    status = 431


class ClientGoneError(RequestError):
    """The client disconnected; nginx's status for it, which only the metrics show."""

    status = 499


class InternalError(RequestError):
    status = 500


class UnusableScoresError(InternalError):
    def __init__(self) -> None:
        super().__init__("The version gave scores that are not numbers; ask another version.")


class OverloadedError(RequestError):
    """There is no capacity or no time for this request; ``retry_after`` is in whole seconds."""

    status = 503

    def __init__(
        self,
        detail: str,
        reason: Literal[
            "capacity", "deadline", "expired", "keys", "loading", "records", "shutdown"
        ],
        retry_after: int = 1,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.retry_after = retry_after


def first_line(error: BaseException) -> str:
    """The first line of an error's text, to quote in a sentence: without a period at its end.

    The name of its class if it has no text.
    """
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def forget(error: BaseException | None) -> None:
    """Let go of what an error, and those that it came from, have in their tracebacks.

    Frames that hold the error itself, or something that has it, would otherwise keep all that the
    request held until Python looks for cycles.
    """
    # Each was raised, so one without has been here: some libraries make rings of them.
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        error = error.__context__
