"""Versions with a holdout, without training: linear classifiers of noise."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.artifact import REFERENCE
from models.manifest import DataFingerprint, Label, Manifest
from models.reference import Reference
from models.runtime import OnnxRuntime
from tests.drafts import DIGITS, LinearDraft, rewrite_manifest


def noise(images: int, seed: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (images, DIGITS.n_features), np.uint8)


def said(draft: LinearDraft, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """What a draft answers, as indices."""
    return OnnxRuntime(draft._graph()).run(draft.spec.features(pixels)).indices


def fingerprint(images: int, **changes: Any) -> DataFingerprint:
    fields = {"name": "noise", "sha256": "ab", "images": images, "holdout": images, "seed": 0}
    return DataFingerprint(**fields | {"classes": {}, "skipped": 0} | changes)


@dataclass(frozen=True)
class Held:
    """A draft with a holdout on which its champion is right, but for one image in twenty."""

    draft: LinearDraft
    images: int = 400
    data: DataFingerprint | None = None

    @property
    def name(self) -> str:
        return self.draft.name

    def write(self, folder: Path) -> Manifest:
        self.draft.write(folder)
        pixels = noise(self.images)
        truth = said(LinearDraft(), pixels)
        truth[::20] = (truth[::20] + 1) % 10
        scores = np.full((self.images, len(self.draft.labels)), 0.1, np.float32)
        content = Reference(pixels, truth, scores).dump()
        (folder / REFERENCE).write_bytes(content)
        fields = json.loads((folder / "manifest.json").read_text())
        fields["files"][REFERENCE] = hashlib.sha256(content).hexdigest()
        fields["data"] = None if self.data is None else self.data.model_dump()
        rewrite_manifest(folder, fields)
        return Manifest.model_validate(fields)


@dataclass(frozen=True)
class NearDraft(LinearDraft):
    """The weights of the first draft, and some noise: it answers some images otherwise."""

    noise: float = 0.0

    def _weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        weights, bias = super()._weights()
        other = np.random.default_rng(9).normal(0, self.noise, weights.shape)
        return (weights + other).astype(np.float32), bias


RGB = ImageSpec.parse("rgb-8x8")
LETTERS: tuple[Label, ...] = tuple("abcdefghij")
