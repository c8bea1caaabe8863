"""An existing Dask cluster as a backend of joblib."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from joblib._dask import DaskDistributedBackend

import cluster
from errors import ClusterError, RecipeError

WORKER_SECONDS = cluster.WORKER_SECONDS

# What is pickled here and unpickled there, and decides the scores.
MUST_MATCH = ("scikit-learn", "joblib", "numpy")


class Backend(DaskDistributedBackend):  # type: ignore[misc]
    """joblib's Dask backend, which on its own waits forever for a task that killed its worker.

    joblib 1.6 keeps such an error to itself (``_collect`` calls back only for results), measured
    with a worker that exits; here it is handed on like any other error of a task.
    """

    def submit(self, func: Any, callback: Callable[[Any], None] | None = None) -> Any:
        future = super().submit(func, callback)

        def hand_on(done: Any) -> None:
            error = done.exception()
            if error is not None and callback is not None:
                callback(error)

        future.add_done_callback(hand_on)
        return future

    def retrieve_result_callback(self, out: Any) -> Any:
        if isinstance(out, BaseException):
            raise out
        return super().retrieve_result_callback(out)


@contextmanager
def connected(address: str) -> Iterator[Backend]:
    """A backend on the cluster whose scheduler is at ``address``, such as ``tcp://10.0.0.5:8786``.

    Raises RecipeError if no scheduler answers within 10 s, no worker is ready within 30 s, or a
    worker has other versions of the libraries that fit and score.
    """
    with _recipe_errors():
        client = cluster.connect(address, MUST_MATCH, WORKER_SECONDS)
    with client:
        yield Backend(client=client)


def check_versions(versions: Any) -> None:
    """Raise RecipeError if a worker differs; ``versions`` is what ``Client.get_versions`` gives."""
    with _recipe_errors():
        cluster.check_versions(versions, MUST_MATCH)


@contextmanager
def _recipe_errors() -> Iterator[None]:
    """A search that cannot have its cluster is a search that cannot run as asked."""
    try:
        yield
    except ClusterError as error:
        raise RecipeError(str(error)) from error
