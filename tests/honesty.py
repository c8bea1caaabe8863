"""What a version is honest by, made without training: it knows images like the tests' digit."""

from pathlib import Path

import numpy as np

from images.decoding import read_pixels
from images.spec import ImageSpec
from models.coverage import Coverage
from models.familiarity import Familiarity
from models.honest import Honest

DIGITS = ImageSpec.parse("digits")
DIGIT = Path("tests/data/digit8.jpg").read_bytes()


def honest_draft(held: int = 250) -> Honest:
    """Of a version whose right labels had any probability from 0 to 1, equally often."""
    rng = np.random.default_rng(0)
    pixels = read_pixels(DIGIT, DIGITS).astype(int)
    near = np.clip(pixels + rng.normal(0, 10, (held + 50, 64)), 0, 255).astype(np.uint8)
    features = DIGITS.features(near)
    return Honest(
        Coverage(np.linspace(0, 1, held, dtype=np.float32)),
        Familiarity.of(features[held:], features[:held], DIGITS, seed=0),
    )
