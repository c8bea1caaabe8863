"""The memory that a worker may use, by control groups of both versions."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from serving.inference.memory import (
    MAX_DECODE_BYTES,
    MAX_HELD_BYTES,
    Workers,
    decode_bytes,
    held_bytes,
    killed_for_memory,
    memory_limit,
    workers,
)
from settings import Settings

MIB = 2**20
GROUP_2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
GROUP_1 = "35 31 0:32 {top} /sys/fs/cgroup/memory ro shared:9 - cgroup cgroup rw,memory\n"
OTHERS = (
    "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "1 0 8:1 / / rw - ext4 /dev/a rw\n"
)


def tree(root: Path, group: str, mounts: str, limits: Mapping[str, str]) -> Path:
    files = {"proc/self/cgroup": group, "proc/self/mountinfo": OTHERS + mounts}
    for name, text in {**files, **{f"sys/fs/cgroup/{k}": v for k, v in limits.items()}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("group", "mounts", "limits"),
    [
        ("0::/\n", GROUP_2, {"memory.max": f"{512 * MIB}\n"}),
        ("0::/a/b\n", GROUP_2, {"a/b/memory.max": "max\n", "a/memory.max": f"{512 * MIB}\n"}),
        (
            "0::/a/b\n",
            GROUP_2,
            {"a/b/memory.max": f"{700 * MIB}\n", "a/memory.max": f"{512 * MIB}\n"},
        ),
        (
            "4:memory:/a\n0::/\n",
            GROUP_1.format(top="/"),
            {
                "memory/a/memory.limit_in_bytes": f"{512 * MIB}\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
        ),
        (
            # A container that sees only its own group, by the name that the machine gives it.
            "4:cpu,memory:/docker/abc\n",
            GROUP_1.format(top="/docker/abc"),
            {"memory/memory.limit_in_bytes": f"{512 * MIB}\n"},
        ),
    ],
)
def test_the_smallest_limit_counts(
    tmp_path: Path, group: str, mounts: str, limits: Mapping[str, str]
) -> None:
    root = tree(tmp_path, group, mounts, limits)
    assert memory_limit(root) == 512 * MIB
    assert decode_bytes(Settings(workers=1), root) == 128 * MIB
    assert decode_bytes(Settings(workers=2), root) == 64 * MIB
    assert held_bytes(Settings(workers=1), root) == 32 * MIB


@pytest.mark.parametrize("limit", ["max", "0", "", "9223372036854771712"])
def test_without_a_limit_there_is_as_much_as_the_machine_has(tmp_path: Path, limit: str) -> None:
    whole = memory_limit(tmp_path)
    assert whole > 512 * MIB
    assert memory_limit(tree(tmp_path, "0::/\n", GROUP_2, {"memory.max": limit})) == whole


def test_a_large_container_is_no_reason_for_more(tmp_path: Path) -> None:
    root = tree(tmp_path, "0::/\n", GROUP_2, {"memory.max": f"{2**34}\n"})
    assert decode_bytes(Settings(workers=1), root) == MAX_DECODE_BYTES
    assert held_bytes(Settings(workers=1), root) == MAX_HELD_BYTES


def test_the_setting_decides(tmp_path: Path) -> None:
    root = tree(tmp_path, "0::/\n", GROUP_2, {"memory.max": f"{512 * MIB}\n"})
    assert decode_bytes(Settings(workers=4, decode_bytes=300 * MIB), root) == 300 * MIB
    assert held_bytes(Settings(workers=4, max_held_bytes=300 * MIB), root) == 300 * MIB


@pytest.mark.parametrize(
    ("group", "mounts", "name"),
    [
        ("0::/\n", GROUP_2, "memory.events"),
        ("4:memory:/a\n0::/\n", GROUP_1.format(top="/a"), "memory/memory.oom_control"),
    ],
)
def test_what_the_kernel_has_killed_is_counted(
    tmp_path: Path, group: str, mounts: str, name: str
) -> None:
    root = tree(tmp_path, group, mounts, {name: "oom 9\nunder_oom 0\noom_kill 3\n"})
    assert killed_for_memory(root) == 3
    assert killed_for_memory(tmp_path / "elsewhere") == 0


@pytest.mark.parametrize(
    ("limit", "cpus", "expected"),
    [
        (512 * MIB, 8, Workers(1, "512 MiB of memory")),
        (1024 * MIB, 8, Workers(3, "1024 MiB of memory")),
        (100 * MIB, 1, Workers(1, "1 CPU")),
        (2**40, 8, None),
    ],
)
def test_there_are_no_more_workers_than_memory_for_them(
    tmp_path: Path, limit: int, cpus: int, expected: Workers | None
) -> None:
    root = tree(tmp_path, "0::/\n", GROUP_2, {"memory.max": str(limit)})
    found = workers(Settings(), root, cpus)
    if expected is None:
        # As many as the CPUs, or as this machine has memory for.
        assert 1 <= found.number <= cpus
    else:
        assert found == expected


def test_workers_that_were_asked_for_are_not_counted(tmp_path: Path) -> None:
    root = tree(tmp_path, "0::/\n", GROUP_2, {"memory.max": str(64 * MIB)})
    assert workers(Settings(workers=7), root) == Workers(7, "PUPILA_WORKERS")
