import logging
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from errors import SettingsError
from internals_supervisor import WorkerEnd
from serving.supervision import Supervision, refuse_address, refuse_certificate, signal_name


@pytest.fixture(autouse=True)
def by_default(caplog: pytest.LogCaptureFixture) -> None:
    """As without a configuration, whatever others in this process have set up."""
    caplog.set_level(logging.WARNING, "pupila")
    caplog.set_level(logging.WARNING, "pupila.supervisor")


NO_PEM = "a file is not in the form PEM, or the key's password is wrong"
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


@pytest.mark.parametrize("host", ["no-such-host.invalid", "localhost", "1.2.3.4.5", ""])
def test_a_name_is_no_address_to_listen_on(host: str) -> None:
    with pytest.raises(SettingsError, match="is not an address to listen on"):
        refuse_address(host, 8000)


def test_a_port_that_is_taken_or_an_address_of_another_machine_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match="cannot be listened on: Address already in use"):
            refuse_address("127.0.0.1", port)
    refuse_address("127.0.0.1", port)
    with pytest.raises(SettingsError, match="cannot be listened on"):
        refuse_address("203.0.113.7", port)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two certificates, and their keys; the second's has a password."""
    folder = tmp_path_factory.mktemp("keys")
    for name, password in (("a", ("-nodes",)), ("b", ("-passout", "pass:hush"))):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", "/CN=localhost")
        command = (
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        )
        subprocess.run([*command, *password, *files], cwd=folder, check=True, capture_output=True)
    (folder / "none.pem").write_text("no certificate")
    return folder


@pytest.mark.parametrize(
    ("certificate", "key", "password", "why"),
    [
        ("none.pem", "a.key", None, NO_PEM),
        ("a.pem", "none.pem", None, NO_PEM),
        ("a.pem", None, None, NO_PEM),
        ("a.pem", "gone.key", None, "No such file or directory"),
        ("a.pem", "b.key", "hush", "the key is not the certificate's"),
        ("b.pem", "b.key", "wrong", NO_PEM),
        ("b.pem", "b.key", None, NO_PEM),
    ],
)
def test_a_certificate_that_no_worker_could_serve_is_refused(
    keys: Path, certificate: str, key: str | None, password: str | None, why: str
) -> None:
    files = (str(keys / certificate), key and str(keys / key))
    with pytest.raises(SettingsError, match="The certificate cannot be served") as raised:
        refuse_certificate(*files, password, None)
    assert str(raised.value).endswith(f": {why}.")


def test_a_certificate_that_fits_its_key_is_served(keys: Path) -> None:
    refuse_certificate(None, None, None, None)
    refuse_certificate(str(keys / "a.pem"), str(keys / "a.key"), None, str(keys / "b.pem"))
    refuse_certificate(str(keys / "b.pem"), str(keys / "b.key"), "hush", None)
