"""What a container says when it cannot start, and when a part of it dies: never nothing."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.containers import HARDENED, docker, running
from tests.waiting import PATIENCE_SECONDS, until

BODY = (Path(__file__).parent.parent / "data" / "predict_digit8.json").read_bytes()
BARE = ("--read-only", "--cap-drop=ALL")


@pytest.fixture(scope="module")
def volume() -> Iterator[str]:
    name = f"pupila-{uuid.uuid4().hex}"
    docker("volume", "create", name)
    try:
        yield name
    finally:
        docker("volume", "rm", name)


def ended(image: str, *options: str, command: tuple[str, ...] = ()) -> tuple[int, str]:
    """The exit code of a container that cannot go on, and all that it has said."""
    done = subprocess.run(
        ["docker", "run", "--rm", *options, image, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    return done.returncode, done.stdout + done.stderr


def lines(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--volume={folder}:/data",), "/data cannot be used by user 1034 (Permission denied)"),
        (
            ("--volume={volume}:/data:ro",),
            "/data cannot be used by user 1034 (Read-only file system)",
        ),
        (("--user=12345",), "/data cannot be used by user 12345 (Permission denied)"),
        (("--env=BENTO_PATH=",), "BENTO_PATH is not set"),
        (("--env=BENTOML_HOST=localhost",), "'localhost' is not an address to listen on"),
        (("--env=PUPILA_DATABASE_URL=sqlite:///x.db",), "names x.db without its folder"),
        (("--env=PUPILA_DATABASE_URL=mysql://u:hush@h/d",), "'mysql' databases are not supported"),
        (
            (
                "--env=PUPILA_DATABASE_URL=postgresql://u:hush@127.0.0.1:1/d",
                "--env=PUPILA_REQUIRE_RECORDS=true",
            ),
            "PUPILA_REQUIRE_RECORDS is true, and no records can be kept: ",
        ),
    ],
    ids=["root", "read-only", "user", "bento", "host", "relative", "scheme", "require"],
)
def test_what_keeps_it_from_starting_is_one_sentence(
    image: str, volume: str, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    tmp_path.chmod(0o755)
    chosen = [option.format(folder=tmp_path, volume=volume) for option in options]
    code, log = ended(image, *HARDENED, *chosen)
    assert code == 1, log
    *before, last = lines(log)
    assert last["level"] == "critical"
    assert said in last["event"]
    assert "hush" not in log
    assert {line["level"] for line in before} <= {"info"}, log


@pytest.mark.parametrize(
    ("options", "why"),
    [(BARE, "Read-only file system"), ((*BARE, "--tmpfs=/tmp:size=4k"), "No space left on device")],
    ids=["none", "full"],
)
def test_without_room_for_temporary_files_it_says_so(
    image: str, options: tuple[str, ...], why: str
) -> None:
    code, log = ended(image, *options)
    (line,) = lines(log)
    assert code == 1
    assert line["event"].startswith(f"/tmp cannot be written ({why})")  # noqa: S108


def test_a_command_that_does_not_exist_is_a_sentence_too(image: str) -> None:
    code, log = ended(image, *HARDENED, "--env=PUPILA_LOG_FORMAT=text", command=("nosuch",))
    assert code == 1
    assert log.startswith("There is no command nosuch in this image")


def test_all_that_it_logs_is_json_and_a_worker_out_of_memory_is_told(image: str) -> None:
    """The kernel is told to take the worker first when a process beside it fills the memory."""
    settings = {"PUPILA_WORKERS": "1", "PUPILA_ACCESS_LOG_RATE": "1", "PUPILA_DRAIN_MS": "0"}
    limits = ("--memory=400m", "--memory-swap=400m")
    with running(*limits, environment=settings) as container:
        answer = httpx2.post(f"{container.url}/predict/", content=BODY, timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200
        (worker,) = container.workers()
        container.run("sh", "-c", f"echo 1000 >/proc/{worker}/oom_score_adj")
        filler = "x = bytearray(500 * 2**20)"
        subprocess.run(["docker", "exec", container.id, "python3", "-c", filler], check=False)

        def death() -> dict[str, Any] | None:
            found = [line for line in lines(container.log()) if line.get("process") == int(worker)]
            return next((line for line in found if "died" in line["event"]), None)

        died = until(death, container.log)
        assert died is not None
        assert (died["reason"], died["signal"], died["level"]) == ("oom", "SIGKILL", "error")
        container.wait()
