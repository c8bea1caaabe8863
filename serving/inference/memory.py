"""How much memory this process may use, and how much of it is for images and bodies."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import internals
from settings import Settings

MAX_DECODE_BYTES: Final = 160 * 2**20
"""A photo of 12 megapixels takes 49 MB as a JPEG, and 147 MB as a WebP."""

MAX_HELD_BYTES: Final = 256 * 2**20

# Of the container's memory, for all workers: in 512 MiB, one and its supervisor take 230 without
# any image, and a body takes nearly twice its size, with the image in it.
_DECODE_SHARE: Final = 1 / 4
_HELD_SHARE: Final = 1 / 16

# What version 1 gives as the limit where there is none is close to 2**63.
_NO_LIMIT: Final = 2**60

# Fields of a mount as in proc(5): the root within the file system, and where it is mounted; after a
# dash the file system's type, and its options at last.
_MOUNT: Final = re.compile(r"^\S+ \S+ \S+ (\S+) (\S+) .* - (cgroup2?) \S+ (\S+)$", re.MULTILINE)

_KILLS: Final = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


# What a worker takes at rest (bench/sizing.md) with the records that wait, and the supervisor.
_WORKER_BYTES: Final = (145 + 32) * 2**20
_SUPERVISOR_BYTES: Final = 80 * 2**20


class Workers(NamedTuple):
    """How many a server has, and what decided that, in words."""

    number: int
    because: str


def workers(settings: Settings, root: Path = Path("/"), cpus: int | None = None) -> Workers:
    """As many as the setting says; else one for each CPU, but no more than there is memory for
    beside what images and large bodies may take: the kernel would end one after the other."""
    if settings.workers is not None:
        return Workers(settings.workers, "PUPILA_WORKERS")
    cpus, limit = cpus or internals.available_cpus(), memory_limit(root)
    free = limit * (1 - _DECODE_SHARE - 2 * _HELD_SHARE) - _SUPERVISOR_BYTES
    possible = max(1, int(free / _WORKER_BYTES))
    if possible < cpus:
        return Workers(possible, f"{limit // 2**20} MiB of memory")
    return Workers(cpus, f"{cpus} CPU{'s' if cpus > 1 else ''}")


def decode_bytes(settings: Settings, root: Path = Path("/")) -> int:
    """Bytes that all decoding of a worker may take at once: the setting, or else the smaller of
    160 MiB and a worker's part of a quarter of the container's memory."""
    if settings.decode_bytes is not None:
        return settings.decode_bytes
    return min(MAX_DECODE_BYTES, _part(settings, root, _DECODE_SHARE))


def held_bytes(settings: Settings, root: Path = Path("/")) -> int:
    """Bytes of all large bodies of a worker: the setting, or else the smaller of 256 MiB and a
    worker's part of a sixteenth of the container's memory."""
    if settings.max_held_bytes is not None:
        return settings.max_held_bytes
    return min(MAX_HELD_BYTES, _part(settings, root, _HELD_SHARE))


def _part(settings: Settings, root: Path, share: float) -> int:
    return int(memory_limit(root) * share / workers(settings, root).number)


def memory_limit(root: Path = Path("/")) -> int:
    """Bytes that this process may use: the smallest limit of its control groups, of version 1 or 2,
    and of all groups above them; and no more than the machine has.

    ``root``: of the file system.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    texts = _texts(root, "memory.limit_in_bytes", "memory.max")
    limits = [int(text) for text in texts if text.isdigit()]
    return min(machine, *(limit for limit in limits if 0 < limit < _NO_LIMIT), _NO_LIMIT)


def killed_for_memory(root: Path = Path("/")) -> int:
    """How many processes of this process's control groups the kernel has ended so far because
    there was no memory left; 0 where it does not say."""
    texts = _texts(root, "memory.oom_control", "memory.events")
    return sum(int(count) for text in texts for count in _KILLS.findall(text))


def _texts(root: Path, first: str, second: str) -> Iterator[str]:
    """The contents of a file of each group, which has another name in each version."""
    for path in _group_files(root, first, second):
        with contextlib.suppress(OSError):
            yield path.read_text(encoding="ascii").strip()


def _group_files(root: Path, first: str, second: str) -> Iterator[Path]:
    """Where they may be; macOS has none of these files."""
    try:
        groups = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        mounts = (root / "proc/self/mountinfo").read_text(encoding="utf-8")
    except OSError:
        return
    for line in groups:
        _, controllers, group = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        name = first if controllers else second
        for top, place, kind, options in _MOUNT.findall(mounts):
            is_this = kind == "cgroup2" if not controllers else "memory" in options.split(",")
            if is_this:
                yield from _upwards(root / place.lstrip("/"), top, group, name)


def _upwards(mount: Path, top: str, group: str, name: str) -> Iterator[Path]:
    """The file ``name`` of a group and of all above it, as far as they are mounted."""
    # Within a container, only the container's own group may be mounted, at the top.
    inside = group.removeprefix(top) if top != "/" and group.startswith(top) else group
    folder = mount / inside.strip("/")
    yield mount / name
    while folder != mount and folder.is_relative_to(mount):
        yield folder / name
        folder = folder.parent
