"""Brings a version to where the servers get theirs, by a command of the operator's.

Servers that share the store with the retraining need none. Others must be able to get a version
before its rollout begins, or it would wait for workers that never have it.
"""

import os
import shlex
import signal
import subprocess
import tempfile
from typing import Final

from cli import printable
from errors import PipelineError

SECONDS: Final = 900.0
_LONGEST: Final = 200


def publish(command: str, tag: str, seconds: float = SECONDS) -> None:
    """Run the command, without a shell, with the version's tag as its last argument.

    It may be run again for the same version. Raises PipelineError, with the last line that it
    wrote, unless it ends with 0 in time.
    """
    try:
        words = [*shlex.split(command), tag]
        # Not a pipe: what the command leaves running would keep it open.
        with tempfile.TemporaryFile() as output:
            code = _run(words, output.fileno(), seconds)
            output.seek(0)
            said = output.read().decode(errors="replace").strip().splitlines()
    except (OSError, ValueError) as error:
        raise _failed(tag, f"cannot be run ({error})") from None
    if code is None:
        raise _failed(tag, f"took more than {seconds:g} s")
    if code:
        last = printable(said[-1])[:_LONGEST] if said else ""
        raise _failed(tag, f"ended with {code}{f': {last}' if last else ''}")


def _run(words: list[str], output: int, seconds: float) -> int | None:
    """The code that it ends with; None if it had to be ended."""
    with subprocess.Popen(  # noqa: S603 - the operator's own
        words,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _failed(tag: str, how: str) -> PipelineError:
    return PipelineError(f"{tag} was not published: the command of PUPILA_PUBLISH {how}.")
