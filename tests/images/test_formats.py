import io
import re

import pytest
from PIL import Image

from errors import ImageError
from images.formats import ANY_FORMAT, FORMATS, SUFFIXES, Format, sniff

BY_NAME = pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)


def encoded(format_: Format) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2)).save(buffer, format_.name)
    return buffer.getvalue()


@BY_NAME
def test_a_file_is_recognized_by_its_first_bytes(format_: Format) -> None:
    assert sniff(encoded(format_)) is format_


@BY_NAME
def test_suffixes_and_media_type_are_those_of_pillow(format_: Format) -> None:
    name = format_.name.upper()
    assert {Image.registered_extensions()[suffix] for suffix in format_.suffixes} == {name}
    assert Image.MIME[name] == format_.media_type


def test_no_suffix_belongs_to_two_formats() -> None:
    assert len(SUFFIXES) == sum(len(format_.suffixes) for format_ in FORMATS)


def test_a_signature_matches_at_the_start_alone() -> None:
    for format_ in FORMATS:
        with pytest.raises(ImageError):
            sniff(b"\0" + encoded(format_))


def test_any_byte_may_stand_where_the_signature_leaves_it_open() -> None:
    assert sniff(b"RIFF\n\n\n\nWEBP").name == "WebP"
    with pytest.raises(ImageError, match="it is an AVIF"):
        sniff(b"\n\n\n\nftypavif")


def test_a_wave_file_is_not_a_webp() -> None:
    with pytest.raises(ImageError, match=f"^it is not {ANY_FORMAT}$"):
        sniff(b"RIFF....WAVE")


def test_a_sentence_lists_all_formats() -> None:
    names = [format_.name for format_ in FORMATS]
    assert re.fullmatch(r"a \w+(, \w+)* or \w+", ANY_FORMAT)
    assert re.findall(r"\w+", ANY_FORMAT.replace(" or ", " ")) == ["a", *names]
