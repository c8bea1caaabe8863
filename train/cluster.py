"""An existing Dask cluster as a backend of joblib."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from errors import RecipeError

try:
    import distributed
    from distributed.comm.addressing import get_address_host_port
    from joblib._dask import DaskDistributedBackend
except ImportError as error:
    raise RecipeError(
        "A search on a Dask cluster needs the package distributed; install it with: "
        "pip install -r requirements/dask.txt"
    ) from error

CONNECT_SECONDS = 10
WORKER_SECONDS = 30

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
    _knock(address)
    try:
        client = distributed.Client(  # type: ignore[no-untyped-call]
            address, timeout=CONNECT_SECONDS, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise _unreachable(address, "no Dask scheduler answers there") from error
    with client:
        try:
            # A cluster that scales itself starts workers only once there is work.
            client.submit(sum, [1]).result(timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise RecipeError(
                f"The Dask cluster at {address} has no worker ready after {WORKER_SECONDS} s; "
                f"start one with: dask worker {address}"
            ) from error
        check_versions(client.get_versions(packages=list(MUST_MATCH)))
        yield Backend(client=client)


def _knock(address: str) -> None:
    """Find a wrong address in one step: the client would retry and leave threads behind."""
    try:
        host, port = get_address_host_port(address)
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except ValueError as error:
        raise _unreachable(address, str(error)) from error
    except OSError as error:
        raise _unreachable(address, error.strerror or str(error)) from error


def _unreachable(address: str, reason: str) -> RecipeError:
    return RecipeError(
        f"The Dask cluster at {address} cannot be reached: {reason.rstrip('.')}; "
        "an address looks like tcp://10.0.0.5:8786"
    )


def check_versions(versions: Any) -> None:
    """Raise RecipeError if a worker differs; ``versions`` is what ``Client.get_versions`` gives."""
    ours = versions["client"]["packages"]
    for worker, found in versions["workers"].items():
        for package in MUST_MATCH:
            theirs = found["packages"].get(package)
            if theirs != ours[package]:
                raise RecipeError(
                    f"The Dask worker {worker} has "
                    f"{f'{package} {theirs}' if theirs else f'no {package}'}, and must have "
                    f"{ours[package]} as this machine has."
                )
