"""Copies in place of large images, within a share of the time."""

import io
from functools import partial

import numpy as np
from PIL import Image

from images.decoding import examine
from images.note import original_size
from images.spec import ImageSpec
from records.prediction import KeptPrediction
from serving.inference.reduced import ReducedImages
from serving.recording.copier import SHARE, Copier
from settings import Settings
from tests.records.rows import row

SPEC = ImageSpec.parse("gray-28x28")


def photo() -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (1100, 1100), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


PHOTO = photo()


class Time:
    """A clock, and how much of the processor's time each look at it finds gone."""

    def __init__(self, each: float = 0.0) -> None:
        self.now, self.used, self._each = 0.0, 0.0, each

    def clock(self) -> float:
        return self.now

    def spent(self) -> float:
        self.used += self._each
        return self.used


def copier(time: Time, **chosen: object) -> Copier:
    made = Copier(Settings(**chosen), time.clock, time.spent)  # type: ignore[arg-type]
    made.learn("clf", "clf:a", SPEC)
    return made


def kept(**changes: object) -> KeptPrediction:
    return row(**({"image": PHOTO} | changes))  # type: ignore[arg-type]


def test_a_large_image_becomes_a_copy() -> None:
    prediction = kept()
    saved = copier(Time()).copy(prediction)
    assert prediction.image is not None
    assert original_size(prediction.image) == (1100, 1100)
    assert saved == len(PHOTO) - len(prediction.image) > 0


def test_one_that_was_decoded_is_not_decoded_again() -> None:
    spec = ImageSpec.parse("rgb-160x160").model_copy(update={"decoding": "reduced"})
    # Enough to keep what is decoded, and not to decode.
    made, reduced = copier(Time(), decode_bytes=2**20), ReducedImages(10_000_000)
    made.learn("clf", "clf:a", spec, reduced)
    assert made.copy(kept()) == 0
    examine(PHOTO).pixels(spec, partial(reduced.keep, PHOTO))
    assert made.copy(kept()) > 0
    assert made.copy(kept()) == 0


def test_in_a_hurry_only_what_is_decoded_is_copied() -> None:
    spec = ImageSpec.parse("rgb-160x160").model_copy(update={"decoding": "reduced"})
    made, reduced = copier(Time()), ReducedImages(10_000_000)
    made.learn("clf", "clf:a", spec, reduced)
    assert made.copy(kept(), hurried=True) == 0
    examine(PHOTO).pixels(spec, partial(reduced.keep, PHOTO))
    assert made.copy(kept(), hurried=True) > 0


def test_what_stays_as_it_is() -> None:
    made = copier(Time())
    for prediction in (
        kept(status=400),
        kept(version="another"),
        kept(image=b"small"),
        kept(image=None),
        kept(image=PHOTO[:-2000]),
        kept(image=bytes(200_000)),
    ):
        before = prediction.image
        assert made.copy(prediction) == 0
        assert prediction.image is before


def test_originals_are_kept_where_that_is_chosen() -> None:
    assert copier(Time(), record_originals=True).copy(kept()) == 0


def test_only_a_share_of_the_time_is_spent() -> None:
    time = Time(each=6.0)
    made = copier(time)
    for second in range(600):
        time.now = float(second)
        made.copy(kept())
    assert time.used / 2 <= 600 * SHARE + 60 * SHARE + 12
