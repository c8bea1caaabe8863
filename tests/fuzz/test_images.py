"""Mutations of forty image files: each is an answer or a sentence, and never anything else."""

import io
import random
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image

from tests.fuzz.attack import SEED, Outcome, Request, attack, check, mutated
from tests.servers import Server


def files() -> list[bytes]:
    """Every format and mode that is read, plain and with what its format can do besides."""
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("JPEG", mode, options)
        for mode in ("L", "RGB", "CMYK")
        for options in ({}, {"progressive": True}, {"quality": 100, "subsampling": 0})
    ]
    kinds += [
        ("JPEG", "RGB", {"restart_marker_blocks": 1}),
        ("JPEG", "RGB", {"comment": b"a" * 99}),
    ]
    kinds += [("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    kinds += [("PNG", "P", {"bits": 2}), ("PNG", "RGB", {"save_all": True})]
    kinds += [
        ("WEBP", mode, options)
        for mode in ("RGB", "RGBA", "L")
        for options in ({}, {"lossless": True}, {"save_all": True})
    ]
    kinds += [("GIF", mode, {}) for mode in ("1", "L", "P", "RGBA")]
    kinds += [("GIF", "P", {"interlace": True}), ("GIF", "P", {"save_all": True})]
    kinds += [("BMP", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")]
    return [_file(*kind) for kind in kinds]


def _file(name: str, mode: str, options: dict[str, Any]) -> bytes:
    noise = Image.effect_noise((37, 23), 80)
    image = noise.convert("I").convert("I;16") if mode == "I;16" else noise.convert(mode)
    if options.get("save_all"):
        options = options | {"append_images": [image.copy(), image.copy()]}
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def test_mutated_images(target: Server, record_property: Callable[[str, object], None]) -> None:
    originals = files()
    assert len(originals) == 40

    def requests(count: int) -> Iterator[Request]:
        draw = random.Random(SEED)
        for _ in range(count):
            yield Request("/predict/clf", {}, mutated(draw.choice(originals), draw))

    def run(count: int) -> Outcome:
        outcome = attack(target, requests(count))
        assert outcome.statuses.keys() <= {200, 400}
        return outcome

    check(target, record_property, "images", run)
