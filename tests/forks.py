"""The process behind ``tests/forking.py``: imports the libraries, then forks for each command.

    python tests/forks.py FD PID

Accepts commands on the listening socket FD until the process PID has ended.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

# Not ONNX Runtime: each command is to keep it silent by itself. skops first, which compares each
# type of scikit-learn with all modules that are there.
LIBRARIES = (
    "skops.io",
    *("numpy", "scipy.stats", "scipy.optimize", "joblib", "onnx", "skl2onnx"),
    *("sklearn.calibration", "sklearn.compose", "sklearn.datasets", "sklearn.ensemble"),
    *("sklearn.linear_model", "sklearn.model_selection", "sklearn.neighbors", "sklearn.pipeline"),
    *("sklearn.isotonic", "sklearn.svm", "matplotlib.figure", "PIL.Image", "jinja2", "httpx"),
    *("sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql", "psycopg", "alembic.command"),
    *("bentoml", "bentoml._internal.models", "pydantic_settings", "orjson", "click", "asyncio"),
    *("rich.console", "rich.table", "rich.progress", "nacl.signing"),
)

_DESCRIPTORS = 3
_MAX_BYTES = 2**20


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    parent = os.pidfd_open(int(sys.argv[2]))
    # The first to be registered is the last to be called.
    codes: list[int] = []
    atexit.register(leave, codes)
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    if command := serve(listener, parent):
        codes.append(become(*command))


def leave(codes: list[int]) -> None:
    """At the end of a command, without Python's own: that takes all libraries apart, in 1.3 s."""
    for code in codes:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve(listener: socket.socket, parent: int) -> tuple[dict[str, Any], list[int]] | None:
    """In the process of a command, what it is to do; in this one, None at the end."""
    waiting = select.poll()
    running: dict[int, tuple[int, int, socket.socket]] = {}
    for descriptor in (listener.fileno(), parent):
        waiting.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in waiting.poll():
            if descriptor == parent:
                for child, _, _ in {*running.values()}:
                    os.kill(child, signal.SIGKILL)
                return None
            if descriptor == listener.fileno():
                client, _ = listener.accept()
                content, descriptors, _, _ = socket.recv_fds(client, _MAX_BYTES, _DESCRIPTORS)
                child = os.fork()
                if child == 0:
                    return json.loads(content), descriptors
                for passed in descriptors:
                    os.close(passed)
                ended = os.pidfd_open(child)
                running |= dict.fromkeys((ended, client.fileno()), (child, ended, client))
                waiting.register(ended, select.POLLIN)
                waiting.register(client.fileno(), select.POLLIN)
            elif descriptor in running:
                child, ended, client = running[descriptor]
                if descriptor != ended:  # whoever asked for it is gone
                    os.kill(child, signal.SIGKILL)
                _, status = os.waitpid(child, 0)
                for done in (ended, client.fileno()):
                    waiting.unregister(done)
                    del running[done]
                with contextlib.suppress(OSError):
                    client.sendall(str(os.waitstatus_to_exitcode(status)).encode())
                client.close()
                os.close(ended)


def become(command: dict[str, Any], descriptors: list[int]) -> int:
    """Run a command as Python does after ``-m``; returns its exit code."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.closerange(_DESCRIPTORS, max(descriptors) + 1)
    # As Python opens them: those of this process may know where in a file they are.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ |= command["environment"]
    sys.argv = [command["module"], *command["arguments"]]
    sys.path[0] = str(Path.cwd())
    try:
        runpy.run_module(command["module"], run_name="__main__", alter_sys=True)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        sys.stderr.write(f"{error.code}\n")
        return 1
    except BaseException:  # noqa: BLE001 # as Python does it
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main()
