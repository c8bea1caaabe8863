"""From records to pixels."""

import numpy as np

from images.spec import ImageSpec
from monitor.quality.quality import check_quality
from monitor.window.images import Failure, decode
from tests.drawing import flat, png
from tests.monitor.recorded import record

DIGITS = ImageSpec.parse("digits")


def test_readable_images_are_decoded_and_others_reported() -> None:
    wide = png(np.full((8, 24), 7, np.uint8))
    records = [
        record(image=flat(3)),
        record(image=b"GIF89a broken"),
        record(image=None),
        record(image=wide),
    ]
    decoded = decode(records, DIGITS)
    assert len(decoded) == 2
    assert decoded.rows.tolist() == [0, 3]
    assert decoded.sizes.tolist() == [[8, 8], [24, 8]]
    assert decoded.pixels.tolist() == [[3] * 64, [7] * 64]
    assert [one.row for one in decoded.failures] == [1]
    assert isinstance(decoded.failures[0], Failure)
    assert decoded.failures[0].reason
    assert decoded.without == 1


def test_no_records_are_no_images() -> None:
    decoded = decode([], DIGITS)
    assert decoded.pixels.shape == (0, 64)
    assert decoded.sizes.shape == (0, 2)
    assert decoded.failures == ()


def test_an_image_above_the_limit_of_pixels_is_not_damaged() -> None:
    large, damaged = record(id=1, image=png(np.zeros((9, 9), np.uint8))), record(id=2, image=b"x")
    decoded = decode([large, damaged], DIGITS, max_pixels=80)
    assert [failure.large for failure in decoded.failures] == [True, False]
    found = check_quality([large, damaged], decoded, None, DIGITS, range(10))
    check = found.checks[0]
    assert (check.name, check.count, check.rows) == ("unreadable images", 1, (1,))
    assert check.words.endswith(
        "1 with more pixels than PUPILA_MAX_IMAGE_PIXELS allows here was not looked at."
    )
