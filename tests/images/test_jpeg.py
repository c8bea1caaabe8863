import io
import struct
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from errors import ImageError
from images.header import MAX_BLOCKS
from images.jpeg import MAX_SCANS, agrees_with_pillow, decode_fast, is_brief, read_frame

Mode = Literal["L", "RGB"]


def noise(mode: Mode, width: int, height: int, seed: int = 0) -> Image.Image:
    shape = (height, width) if mode == "L" else (height, width, 3)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(values)


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def by_pillow(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        return image.tobytes()


def fast(data: bytes) -> bytes | None:
    pixels = decode_fast(data, read_frame(data))
    return None if pixels is None else pixels.tobytes()


DAMAGEABLE = [
    jpeg(noise("L", 19, 13), quality=80),
    jpeg(noise("RGB", 19, 13), quality=80, subsampling=2),
    jpeg(noise("RGB", 19, 13), quality=80, subsampling=1, progressive=True),
    jpeg(noise("RGB", 19, 13), quality=80, restart_marker_blocks=1),
]


def test_simplejpeg_and_pillow_as_installed_agree() -> None:
    assert agrees_with_pillow()


@settings(max_examples=150, deadline=None)
@given(
    mode=st.sampled_from(["L", "RGB"]),
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    seed=st.integers(0, 2**32 - 1),
    quality=st.integers(1, 100),
    subsampling=st.sampled_from([0, 1, 2]),
    progressive=st.booleans(),
    optimize=st.booleans(),
)
def test_the_fast_decoder_gives_pillows_bytes(
    mode: Mode,
    width: int,
    height: int,
    seed: int,
    quality: int,
    subsampling: int,
    progressive: bool,
    optimize: bool,
) -> None:
    data = jpeg(
        noise(mode, width, height, seed),
        quality=quality,
        subsampling=subsampling,
        progressive=progressive,
        optimize=optimize,
    )
    assert fast(data) == by_pillow(data)


@pytest.mark.parametrize("transform", [0, 1])
def test_adobes_color_mark_is_obeyed(transform: int) -> None:
    data = jpeg(noise("RGB", 9, 9), subsampling=0)
    end_of_jfif = 4 + struct.unpack_from(">H", data, 4)[0]
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0" + bytes([transform])
    data = data[:2] + adobe + data[end_of_jfif:]
    assert fast(data) == by_pillow(data)
    assert by_pillow(read_frame(data).without_metadata(data)) == by_pillow(data)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_damaged_file_that_the_fast_decoder_accepts_decodes_as_with_pillow(
    draw: st.DataObject,
) -> None:
    data = bytearray(draw.draw(st.sampled_from(DAMAGEABLE)))
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        frame = read_frame(bytes(data))
    except ImageError:
        return
    if frame.width * frame.height > 1_000_000:
        return
    pixels = decode_fast(bytes(data), frame)
    if pixels is not None:
        assert pixels.tobytes() == by_pillow(frame.without_metadata(bytes(data)))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_metadata_is_stripped(mode: Mode) -> None:
    plain = jpeg(noise(mode, 9, 9))
    exif = Image.Exif()
    exif[0x010E] = "a picture of noise"
    dressed = jpeg(noise(mode, 9, 9), exif=exif, comment=b"hello", icc_profile=b"p" * 70_000)
    assert len(dressed) > len(plain) + 70_000
    assert read_frame(dressed).without_metadata(dressed) == plain


def test_a_cmyk_picture_is_left_to_pillow() -> None:
    data = jpeg(noise("RGB", 9, 9).convert("CMYK"))
    assert read_frame(data).components == 4
    assert fast(data) is None


def test_a_large_picture_is_left_to_pillow() -> None:
    assert fast(jpeg(Image.new("L", (257, 256)))) is None
    assert fast(jpeg(Image.new("L", (256, 256)))) is not None


def test_size_and_orientation_are_read_without_decoding() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    frame = read_frame(jpeg(noise("RGB", 31, 17), exif=exif))
    assert (frame.width, frame.height, frame.components, frame.orientation) == (31, 17, 3, 6)


@pytest.mark.parametrize("length", range(4, len(DAMAGEABLE[0]), 7))
def test_any_shorter_file_is_truncated(length: int) -> None:
    with pytest.raises(ImageError, match=r"^the image is truncated$"):
        read_frame(DAMAGEABLE[0][:length])


def test_more_segments_than_any_picture_has_are_refused() -> None:
    data = jpeg(noise("L", 8, 8))
    with pytest.raises(ImageError, match="more than 4000 blocks"):
        read_frame(data[:2] + b"\xff\xfe\x00\x02" * MAX_BLOCKS + data[2:])


def test_more_scans_than_any_picture_has_are_refused() -> None:
    data = jpeg(noise("L", 8, 8), progressive=True)
    last_scan = data[data.rfind(b"\xff\xda") : -2]
    read_frame(data[:-2] + last_scan + data[-2:])
    with pytest.raises(ImageError, match="more than 100 scans"):
        read_frame(data[:-2] + last_scan * MAX_SCANS + data[-2:])


def test_twelve_bits_per_color_are_refused_by_name() -> None:
    data = bytearray(jpeg(noise("L", 8, 8)))
    data[data.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(ImageError, match="it is a JPEG of 12 bits per color, not of 8"):
        read_frame(bytes(data))


def test_stray_bytes_between_segments_are_skipped() -> None:
    data = jpeg(noise("L", 9, 9))
    strayed = data[:20] + b"\0\xff\0stray\xff\xff" + data[20:]
    assert read_frame(strayed).without_metadata(strayed) == data


SEGMENT = b"\xff\xe4\x00\x04??"


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_header_of_a_photo_is_brief(mode: Mode) -> None:
    photo = jpeg(noise(mode, 64, 64), exif=b"Exif\0\0" + bytes(20_000), comment=b"of a camera")
    assert is_brief(photo)
    assert is_brief(photo + bytes(60_000)), "with a preview after its end"


@pytest.mark.parametrize(
    "long",
    [
        jpeg(noise("RGB", 64, 64), progressive=True),
        jpeg(noise("RGB", 64, 64))[:-2],
        jpeg(noise("RGB", 64, 64)) + bytes(70_000),
        jpeg(noise("RGB", 64, 64)).replace(b"\xff\xdb", SEGMENT * 40 + b"\xff\xdb", 1),
        b"\xff\xd8" + bytes(300_000),
        b"\xff\xd8" + SEGMENT * 300_000,
        b"\xff\xd8",
        b"",
    ],
    ids=["scans", "cut", "trailer", "segments", "zeros", "only segments", "a start", "nothing"],
)
def test_what_may_take_longer_is_not(long: bytes) -> None:
    assert not is_brief(long)


@settings(deadline=None)
@given(place=st.integers(0, 700), byte=st.integers(0, 255))
def test_a_damaged_header_is_read_to_the_same_end_or_not_at_all(place: int, byte: int) -> None:
    """Nothing in it makes ``is_brief`` raise."""
    damaged = bytearray(jpeg(noise("RGB", 40, 40)))
    damaged[place] = byte
    is_brief(bytes(damaged))
