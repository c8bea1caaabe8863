import logging
import signal
from pathlib import Path

import pytest

from internals_supervisor import WorkerEnd
from serving.supervision import Supervision, signal_name


@pytest.fixture(autouse=True)
def by_default(caplog: pytest.LogCaptureFixture) -> None:
    """As without a configuration, whatever others in this process have set up."""
    caplog.set_level(logging.WARNING, "pupila")
    caplog.set_level(logging.WARNING, "pupila.supervisor")


MOUNT = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"


def machine(root: Path, kills: int) -> Path:
    """The files of a kernel that has killed so many processes of this container."""
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": MOUNT,
        "sys/fs/cgroup/memory.events": f"low 0\nhigh 0\nmax 9\noom 2\noom_kill {kills}\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def ended(code: int | None, *, is_stop: bool = False) -> WorkerEnd:
    return WorkerEnd(7, code, is_stop, Path("metrics"))


@pytest.mark.parametrize(
    ("code", "kills", "reason", "signalled"),
    [
        (-signal.SIGKILL, 1, "signal", "SIGKILL"),
        (-signal.SIGKILL, 2, "oom", "SIGKILL"),
        (-signal.SIGSEGV, 2, "signal", "SIGSEGV"),
        (3, 1, "exit", None),
        (None, 1, "unknown", None),
    ],
)
def test_a_death_is_one_line_with_its_reason(
    code: int | None,
    kills: int,
    reason: str,
    signalled: str | None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervision = Supervision(machine(tmp_path, 1))
    supervision.worker_began(7, 1)
    machine(tmp_path, kills)
    supervision.worker_ended(ended(code))
    (line,) = caplog.records
    about = vars(line)["fields"]
    assert line.levelno == logging.ERROR
    assert (about["reason"], about["signal"], about["worker"]) == (reason, signalled, 1)


def test_who_replaces_it_is_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    supervision = Supervision(machine(tmp_path, 0))
    supervision.worker_began(7, 1)
    supervision.worker_ended(ended(-9))
    supervision.worker_began(8, 1)
    supervision.worker_ended(ended(0, is_stop=True))
    assert caplog.messages == ["a worker died: a signal ended it", "a dead worker is replaced"]
    assert vars(caplog.records[1])["fields"] == {"worker": 1, "process": 8, "replaces": 7}


def test_a_server_without_workers_ends_with_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit) as end:
        Supervision().failed(RuntimeError("No active process found for watcher."))
    assert end.value.code == 1
    assert caplog.messages[0].startswith("No worker can be started")


def test_a_signal_that_has_no_name_has_its_number() -> None:
    assert (signal_name(-9), signal_name(-99), signal_name(3)) == ("SIGKILL", "signal 99", None)
