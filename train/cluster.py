"""An existing Dask cluster as a backend of joblib."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from joblib._dask import DaskDistributedBackend

import cluster
from errors import ClusterError, RecipeError

WORKER_SECONDS = cluster.WORKER_SECONDS

# They compute the scores, and their objects are pickled here and unpickled on the workers.
MUST_MATCH = ("scikit-learn", "joblib", "numpy")


class Backend(DaskDistributedBackend):  # type: ignore[misc]
    """joblib's Dask backend, which by default waits forever for a task that killed its worker.

    joblib 1.6 drops such an error (``_collect`` calls back only for results; seen with a worker
    that exits); here it is passed on like any other error of a task.
    """

    def submit(self, func: Any, callback: Callable[[Any], None] | None = None) -> Any:
        future = super().submit(func, callback)

        def pass_on(done: Any) -> None:
            error = done.exception()
            if error is not None and callback is not None:
                callback(error)

        future.add_done_callback(pass_on)
        return future

    def retrieve_result_callback(self, out: Any) -> Any:
        if isinstance(out, BaseException):
            raise out
        return super().retrieve_result_callback(out)


@contextmanager
def connected(address: str) -> Iterator[Backend]:
    """A backend on the cluster with the scheduler ``address``, such as ``tcp://10.0.0.5:8786``.

    Raises RecipeError if no scheduler answers within 10 s, no worker is ready within 30 s, or a
    worker has other versions of the libraries in ``MUST_MATCH``.
    """
    with _recipe_errors():
        client = cluster.connect(address, MUST_MATCH, WORKER_SECONDS)
    with client:
        yield Backend(client=client)


def check_versions(versions: Any) -> None:
    """Raise RecipeError if a worker differs; ``versions`` is from ``Client.get_versions``."""
    with _recipe_errors():
        cluster.check_versions(versions, MUST_MATCH)


@contextmanager
def _recipe_errors() -> Iterator[None]:
    """Without its cluster, a search cannot run as requested."""
    try:
        yield
    except ClusterError as error:
        raise RecipeError(str(error)) from error
