"""Connects to an existing Dask cluster, and checks that its workers can do the work."""

import socket
from collections.abc import Iterable
from typing import Any

from errors import ClusterError

CONNECT_SECONDS = 10
WORKER_SECONDS = 30


def connect(
    address: str,
    packages: Iterable[str],
    worker_seconds: float = WORKER_SECONDS,
    *,
    same_python: bool = False,
) -> Any:
    """A distributed.Client of the scheduler at ``address``, such as ``tcp://10.0.0.5:8786``.

    ``same_python`` is for functions that are sent by value, as bytecode. Raises ClusterError if
    distributed is not installed here, no scheduler answers within 10 s, no worker is ready within
    ``worker_seconds``, or a worker has other versions of ``packages`` or of Python.
    """
    try:
        import distributed
        from distributed.comm.addressing import get_address_host_port
    except ImportError as error:
        raise ClusterError(
            "A Dask cluster needs the package distributed on this machine; install it with: "
            "pip install -r requirements/dask.txt"
        ) from error
    try:
        # Checked first, since the client would retry a wrong address and leave threads behind.
        host, port = get_address_host_port(address)
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except ValueError as error:
        raise _unreachable(address, str(error)) from error
    except OSError as error:
        raise _unreachable(address, error.strerror or str(error)) from error
    try:
        client = distributed.Client(  # type: ignore[no-untyped-call]
            address, timeout=CONNECT_SECONDS, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise _unreachable(address, "no Dask scheduler answers there") from error
    try:
        # A cluster that scales itself starts workers only when there is work.
        client.submit(sum, [1]).result(timeout=worker_seconds)
        versions = client.get_versions(packages=list(packages))
        check_versions(versions, packages)
        if same_python:
            check_python(versions)
    except TimeoutError as error:
        client.close()  # type: ignore[no-untyped-call]
        raise ClusterError(
            f"The Dask cluster at {address} has no worker ready after {worker_seconds} s; "
            f"start one with: dask worker {address}"
        ) from error
    except BaseException:
        client.close()  # type: ignore[no-untyped-call]
        raise
    return client


def check_versions(versions: Any, packages: Iterable[str]) -> None:
    """Raise ClusterError if a worker has another version of one of ``packages``, or none.

    ``versions`` is from ``Client.get_versions``.
    """
    ours = versions["client"]["packages"]
    for worker, environment in versions["workers"].items():
        for package in packages:
            theirs = environment["packages"].get(package)
            if theirs != ours[package]:
                raise ClusterError(
                    f"The Dask worker {worker} has "
                    f"{f'{package} {theirs}' if theirs else f'no {package}'}, but needs "
                    f"{ours[package]} like this machine."
                )


def check_python(versions: Any) -> None:
    """Raise ClusterError if a worker has another minor version of Python."""
    ours = _minor(versions["client"])
    for worker, environment in versions["workers"].items():
        if _minor(environment) != ours:
            raise ClusterError(
                f"The Dask worker {worker} has Python {_minor(environment)}, but needs {ours} like "
                "this machine."
            )


def _minor(environment: Any) -> str:
    return ".".join(str(environment["packages"]["python"]).split(".")[:2])


def _unreachable(address: str, reason: str) -> ClusterError:
    return ClusterError(
        f"The Dask cluster at {address} cannot be reached: {reason.rstrip('.')}; "
        "an address looks like tcp://10.0.0.5:8786"
    )
