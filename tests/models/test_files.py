"""Files that are not what they should be: none is waited for, and none fills the memory."""

import io
import os
import socket
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.files import load_arrays, read_regular


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    assert read_regular(tmp_path / "a", 7) == b"content"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is not a regular file"):
        read_regular(tmp_path / "pipe")


def test_a_device_is_not_read() -> None:
    with pytest.raises(OSError, match="it is not a regular file"):
        read_regular(Path("/dev/zero"))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(OSError, match="it is not a regular file"):
        read_regular(tmp_path / "link")


def test_a_folder_and_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # The path of a socket is short.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for path in (tmp_path, tmp_path / "socket"):
            with pytest.raises(OSError, match="it is not a regular file"):
                read_regular(path)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match="it is larger than 2,147,483,648 bytes"):
        read_regular(tmp_path / "sparse")


def npy(shape: str, data: bytes = b"", dtype: str = "|u1") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pixels.npy", content)
    return buffer.getvalue()


def test_arrays_are_read() -> None:
    arrays = load_arrays(zipped(npy("(2, 2)", b"abcd")))
    np.testing.assert_array_equal(arrays["pixels"], [[97, 98], [99, 100]])


def test_an_array_that_claims_a_terabyte_is_not_allocated() -> None:
    with pytest.raises(ValueError, match=r"pixels\.npy claims to have 1,099,511,627,776 bytes"):
        load_arrays(zipped(npy("(1099511627776,)", b"abcd")))


def test_arrays_that_unpack_to_more_than_the_limit() -> None:
    content = zipped(npy("(10000000,)", bytes(10_000_000)))
    assert len(content) < 20_000
    with pytest.raises(ValueError, match="the limit is 1,000,000"):
        load_arrays(content, 1_000_000)


@pytest.mark.parametrize("dtype", ["|O", "|V8"])
def test_an_object_is_not_unpickled(dtype: str) -> None:
    with pytest.raises(ValueError, match=r"pickle|claims|Object|expected 16 bytes"):
        load_arrays(zipped(npy("(2,)", b"x", dtype)))
