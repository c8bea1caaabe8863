"""Where the fits of a search run: processes of this machine, or an existing Dask cluster."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

import joblib
from threadpoolctl import threadpool_limits


@contextmanager
def workers_of(count: int | None, dask: str | None) -> Iterator[None]:
    """Let joblib run tasks in ``count`` processes, by default one for each processor, or on the
    Dask cluster with the scheduler ``dask``. Raises RecipeError if the cluster cannot be used."""
    if dask is None:
        # A single worker is this process, whose BLAS threads would compete for busy processors:
        # 45 fits of a logistic regression took 108 s instead of 3.
        with (
            joblib.parallel_config(backend="loky", n_jobs=count or -1),
            threadpool_limits(1, user_api="blas"),
        ):
            yield
        return
    from train.cluster import connected

    with connected(dask) as backend, joblib.parallel_config(backend=backend):
        yield


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Processes started inside of the block never receive Ctrl-C, which would make each of them
    print a traceback. joblib ends them in this process, which gets the signal after the block."""
    # Started inside of the block, the resource tracker would unblock the signal (Python 3.11).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
