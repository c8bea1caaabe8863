"""What the processes of a server take, added up."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from serving.processes import families

PAGE, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


def stat(
    name: str, cpu: int, ended: int, resident: int, started: int = 100, state: str = "S"
) -> str:
    """As ``/proc/PID/stat``: times in ticks, memory in bytes and in pages."""
    fields = [state, "1", *["0"] * 9, str(cpu), "0", str(ended), "0", *["0"] * 4]
    return f"7 ({name}) " + " ".join([*fields, str(started), "1000", str(resident), "0", "0"])


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in {"stat": "cpu 1 2\nbtime 1000\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def values(supervisor: int, proc: Path) -> dict[str, float]:
    return {
        sample.name: sample.value
        for family in families(supervisor, proc)
        for sample in family.samples
    }


def test_supervisor_and_workers_are_added_up(tmp_path: Path) -> None:
    proc = tree(
        tmp_path,
        {
            "1/stat": stat("bentoml (a) b)", cpu=TICKS, ended=5 * TICKS, resident=10),
            "1/task/1/children": "20 21 ",
            "20/stat": stat("python", cpu=2 * TICKS, ended=0, resident=20),
            "21/stat": stat("python", cpu=3 * TICKS, ended=0, resident=30),
            "20/limits": "Max open files      1024      4096      files\n",
            "20/fd/0": "",
            "20/fd/1": "",
        },
    )
    found = values(1, proc)
    assert found["process_cpu_seconds_total"] == 1 + 5 + 2 + 3
    assert found["process_resident_memory_bytes"] == 60 * PAGE
    assert found["process_virtual_memory_bytes"] == 3000
    assert found["process_open_fds"] == 2
    assert found["process_max_fds"] == 1024
    assert found["process_start_time_seconds"] == 1000 + 100 / TICKS
    assert found["pupila_workers"] == 2


def test_the_process_with_the_fewest_files_left_is_told(tmp_path: Path) -> None:
    one = stat("python", cpu=1, ended=0, resident=1)
    files = {"1/stat": one, "20/stat": one, "1/task/1/children": "20", "1/fd/0": ""}
    files |= {"20/fd/0": "", "20/fd/1": "", "20/fd/2": ""}
    limits = "Max open files      4      4      files\n"
    proc = tree(tmp_path, files | {"1/limits": limits, "20/limits": limits})
    assert values(1, proc)["pupila_open_fds_ratio"] == 0.75


def test_a_worker_that_is_dead_and_not_collected_is_none(tmp_path: Path) -> None:
    files = {"1/stat": stat("a", cpu=1, ended=0, resident=1), "1/task/1/children": "20 21"}
    files["20/stat"] = stat("a", cpu=1, ended=0, resident=1)
    files["21/stat"] = stat("a", cpu=1, ended=0, resident=0, state="Z")
    assert values(1, tree(tmp_path, files))["pupila_workers"] == 1


def test_where_nothing_says_it_there_is_nothing(tmp_path: Path) -> None:
    assert values(1, tmp_path / "gone") == {}


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_the_processor_time_of_a_worker_stays_when_it_has_ended() -> None:
    before = values(os.getpid(), Path("/proc"))
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    after = values(os.getpid(), Path("/proc"))
    assert after["process_cpu_seconds_total"] >= before["process_cpu_seconds_total"] + 0.15
    assert after["process_resident_memory_bytes"] > 0


def test_a_thread_that_ends_meanwhile_hides_nothing(tmp_path: Path) -> None:
    files = {"7/stat": stat("a", 100, 0, 5), "7/task/7/children": "", "7/limits": "", "7/fd/0": ""}
    proc = tree(tmp_path, files)
    (proc / "7/task/8").mkdir()
    assert values(7, proc)["process_resident_memory_bytes"] == 5 * PAGE
