"""Files of a version, read so that none can hold the reader up or fill its memory.

A store may be a volume that others write to: what stands where a file should be may be a pipe, a
device, a link, or a file that never ends.
"""

import errno
import io
import math
import os
import stat
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

# protobuf's own limit of a message, and so of a graph.
MAX_FILE_BYTES = 2**31
MAX_ARRAY_BYTES = 2**32

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def open_regular(path: Path, limit: int = MAX_FILE_BYTES) -> io.BufferedReader:
    """A regular file of at most ``limit`` bytes, opened for reading; links are not followed.

    Raises OSError, whose ``strerror`` is a reason without a subject.
    """
    # Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        # A link, and a socket.
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _not_regular() from None
        raise
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size <= limit:
        return open(descriptor, "rb")  # noqa: PTH123 - not by its path
    os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _not_regular()
    raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes")


def read_regular(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """The content of such a file, as long as it was when it was opened."""
    with open_regular(path, limit) as file:
        return file.read(size_of(file))


def size_of(file: io.BufferedReader) -> int:
    """Bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def load_arrays(content: bytes, limit: int = MAX_ARRAY_BYTES) -> dict[str, NDArray[Any]]:
    """The arrays in the bytes of an ``.npz`` file; nothing is unpickled.

    Each array is allocated before it is read, and a few KB can claim to be terabytes; so what the
    file claims is checked first. Raises ValueError, OSError, EOFError or BadZipFile.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        check_members(archive, limit)
        for member in archive.infolist():
            with archive.open(member) as file:
                claimed = _array_bytes(file)
            if claimed > member.file_size:
                raise ValueError(f"{member.filename} claims to have {claimed:,} bytes")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def check_members(archive: zipfile.ZipFile, limit: int) -> None:
    """Raise ValueError if a ZIP's members have more than ``limit`` bytes together.

    Reading one stops at the size that it declares.
    """
    size = sum(member.file_size for member in archive.infolist())
    if size > limit:
        raise ValueError(f"it unpacks to {size:,} bytes, and the limit is {limit:,}")


def check_arrays(archive: zipfile.ZipFile) -> None:
    """Raise ValueError if an array of a ZIP claims to have more bytes than there are of it."""
    for member in archive.infolist():
        if member.filename.endswith(".npy"):
            with archive.open(member) as file:
                if _array_bytes(file) > member.file_size:
                    raise ValueError(f"{member.filename} claims to be larger than it is")


def _array_bytes(file: IO[bytes]) -> int:
    version = np.lib.format.read_magic(file)
    reader = _HEADER_READERS.get(version)
    if reader is None:
        raise ValueError("its arrays have names of fields, or another format")
    shape, _, dtype = reader(file)
    return math.prod(shape) * int(dtype.itemsize)


def _not_regular() -> OSError:
    return OSError(errno.EINVAL, "it is not a regular file")
