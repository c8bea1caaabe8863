import struct
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from errors import ImageError
from images.decoding import image_size, read_pixels
from tests.images.encoded import DAMAGEABLE, DIGITS, chunk


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(DAMAGEABLE), st.integers(0, 64))
def test_random_bytes_raise_nothing_but_image_errors(tail: bytes, start: bytes, kept: int) -> None:
    read_or_refuse(start[:kept] + tail)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_damaged_files_raise_nothing_but_image_errors(draw: st.DataObject) -> None:
    data = bytearray(draw.draw(st.sampled_from(DAMAGEABLE)))
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data) - 1))
        with_ = draw.draw(st.binary(max_size=3))
        data[at : at + draw.draw(st.integers(0, 3))] = with_ or b"\0"
    read_or_refuse(with_right_checksums(bytes(data)) if draw.draw(st.booleans()) else bytes(data))


def with_right_checksums(data: bytes) -> bytes:
    """A damaged PNG with right checksums, so that the decoder sees the damage."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    result, at = data[:8], 8
    while at + 8 <= len(data):
        length = struct.unpack_from(">I", data, at)[0] % 1000
        result += chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        at += 12 + length
    return result


def read_or_refuse(data: bytes) -> None:
    image_size(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = outcome(data)
    if isinstance(result, ImageError):
        assert str(result)
        assert not isinstance(result.__cause__, Warning)
    else:
        assert result.shape == (64,)


def outcome(data: bytes) -> NDArray[np.uint8] | ImageError:
    try:
        return read_pixels(data, DIGITS, 100_000)
    except ImageError as refused:
        return refused


def test_threads_do_not_disturb_each_other() -> None:
    readable = [data for data in DAMAGEABLE for _ in range(20)]

    def digits(data: bytes) -> NDArray[np.uint8]:
        return read_pixels(data, DIGITS)

    alone = [digits(data).tolist() for data in readable]
    with ThreadPoolExecutor(8) as pool:
        together = [got.tolist() for got in pool.map(digits, readable)]
    assert together == alone
