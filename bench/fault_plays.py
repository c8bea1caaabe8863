"""What is done to a server and its machine. Each play is a generator that prepares, brings its
fault about, and mends it.

It calls ``stage.serve`` before its first ``yield``; where the fault is there from the start, it
yields once before it is mended, and otherwise twice.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree

from bench.fault_clients import JPEG
from bench.fault_stage import CannotError, Stage, environment_of, thaw
from bench.process import ROOT
from models.store import Store
from tests.drafts import rewrite_manifest

HERE = Path(sys.executable).parent

_FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
_BIG_BYTES = 3 * 2**20
_FILES = 1024


def killed(stage: Stage) -> Iterator[None]:
    server = stage.serve()
    yield
    os.kill(server.workers()[0], signal.SIGKILL)
    yield


def out_of_memory(stage: Stage) -> Iterator[None]:
    group = stage.group(900)
    join = ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$0" "$@"')
    server = stage.serve(wrapper=join)
    yield
    Path(f"/proc/{server.workers()[0]}/oom_score_adj").write_text("1000")
    hog = [*join, sys.executable, "-c", "bytearray(900 * 2**20)"]
    subprocess.run(hog, capture_output=True, check=False)
    yield


def full(stage: Stage) -> Iterator[None]:
    server = stage.serve()
    stage.disk(server.database.parent, "24m")
    yield
    filler = server.database.parent / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


def read_only(stage: Stage) -> Iterator[None]:
    server = stage.serve()
    home = server.database.parent
    stage.disk(home, "64m")
    server.run("records", "migrate")
    stage.mount("-o", "remount,ro", str(home))
    yield
    stage.mount("-o", "remount,rw", str(home))


def foreign(stage: Stage) -> Iterator[None]:
    """As the image starts it; without the image, BentoML fails there before anything of ours."""
    stage.home.chmod(0o700)
    stranger = ("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups")
    bento = environment_of(BENTO_PATH=str(ROOT), PATH=f"{HERE}:/usr/bin:/bin")
    stage.serve(wrapper=(*stranger, *bento), program=(str(ROOT / "deploy/image/entrypoint"),))
    yield


def clock_back(stage: Stage) -> Iterator[None]:
    if not _FAKETIME.exists():
        raise CannotError("libfaketime is not installed: apt-get install faketime")
    clock = stage.home / "clock"
    clock.write_text("+0\n")
    faked = environment_of(
        LD_PRELOAD=str(_FAKETIME),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_CACHE_DURATION="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        DONT_FAKE_MONOTONIC="1",
    )
    stage.serve(wrapper=faked)
    yield
    clock.write_text("-10m\n")
    yield
    clock.write_text("+0\n")


def port_taken(stage: Stage) -> Iterator[None]:
    server = stage.serve()
    listener = stage.stack.enter_context(socket.socket())
    listener.bind(("0.0.0.0", server.port))  # noqa: S104 - as the server does
    listener.listen()
    yield


def bad_version(stage: Stage) -> Iterator[None]:
    stage.serve()
    good = Store(stage.home / "models").champion("clf").path
    hidden, path = good.with_name(".bad"), good.with_name("b" * 16)
    yield
    copytree(good, hidden)
    (hidden / "model.onnx").write_bytes(b"\x08")
    fields = json.loads((hidden / "manifest.json").read_text())
    rewrite_manifest(hidden, fields | {"created_at": datetime.now(UTC).isoformat()})
    hidden.rename(path)
    yield
    path.rename(hidden)


def expired_key(stage: Stage) -> Iterator[None]:
    file = stage.home / "keys"
    server = stage.serve(keys_file=file)
    created = ("--scope", "predict,label", "--expires", "1d")
    server.clients.key = server.run("keys", "create", "--name", "client", *created)
    far = file.read_text()
    yield
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat(timespec="seconds")
    file.write_text(json.dumps(json.loads(far) | {"expires_at": soon}) + "\n")
    yield
    file.write_text(far)


def _certificate(stage: Stage, days: int) -> tuple[str, ...]:
    certificate, key = (str(stage.home / name) for name in ("certificate.pem", "key.pem"))
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost")
    subprocess.run(
        ["openssl", *request, "-days", str(days), "-keyout", key, "-out", certificate],
        capture_output=True,
        check=True,
    )
    return ("--ssl-certfile", certificate, "--ssl-keyfile", key)


def certificate(stage: Stage) -> Iterator[None]:
    stage.serve(options=_certificate(stage, 1), tls=True)
    yield


def wrong_certificate(stage: Stage) -> Iterator[None]:
    options = _certificate(stage, 90)
    (stage.home / "certificate.pem").write_text("not a certificate\n")
    stage.serve(options=options, tls=True)
    yield


def big_images(stage: Stage) -> Iterator[None]:
    """More large bodies at once than a worker may hold: each sends half, and waits."""
    server, done = stage.serve(max_held_bytes=4 * 2**20), threading.Event()
    head = f"POST /predict/clf HTTP/1.1\r\nHost: a\r\nContent-Length: {_BIG_BYTES}\r\n\r\n"
    body = JPEG + bytes(_BIG_BYTES - len(JPEG))

    def send() -> None:
        while not done.is_set():
            what = "cut off"
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", server.port), 5) as connection,
            ):
                with contextlib.suppress(OSError):
                    connection.sendall(head.encode() + body[: _BIG_BYTES // 2])
                    done.wait(1)
                    connection.sendall(body[_BIG_BYTES // 2 :])
                what = connection.recv(64).decode()[9:12] or what
            server.clients.answers.append((time.time(), f"big image {what}"))

    yield
    senders = [threading.Thread(target=send, daemon=True) for _ in range(8)]
    for sender in senders:
        sender.start()
    yield
    done.set()


def no_descriptors(stage: Stage) -> Iterator[None]:
    server = stage.serve(wrapper=("prlimit", f"--nofile={_FILES}:{_FILES}"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * _FILES), hard))
    yield
    with contextlib.ExitStack() as idle:
        for _ in range(2 * _FILES):
            with contextlib.suppress(OSError):
                address = ("127.0.0.1", server.port)
                idle.enter_context(socket.create_connection(address, 1))
        yield


def ended(stage: Stage) -> Iterator[None]:
    server = stage.serve()
    yield
    server.process.send_signal(signal.SIGTERM)
    yield


def stopped(stage: Stage) -> Iterator[None]:
    server = stage.serve()
    yield
    worker = server.workers()[0]
    os.kill(worker, signal.SIGSTOP)
    stage.stack.callback(thaw, worker)
    yield
    thaw(worker)


def zombie(stage: Stage) -> Iterator[None]:
    """A worker that died while nobody looks after it."""
    server = stage.serve()
    yield
    os.kill(server.process.pid, signal.SIGSTOP)
    os.kill(server.workers()[0], signal.SIGKILL)
    yield
    thaw(server.process.pid)
