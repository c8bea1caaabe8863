"""The command that makes a version like one there is: on other images, as it was made.

A command that leaves out what the version was trained with makes another model: of photos, with
``--features`` left out, one of their pixels, which had 46 % right in place of 82 %.
"""

import shlex
from collections.abc import Iterator
from typing import Final

from models.manifest import Manifest

FOLDER: Final = "FOLDER"
"""Stands in a command for the user's own images."""

_FEATURES: Final = "-features"
_DIGITS: Final = "digits"


def training_command(manifest: Manifest, holdout: float | None = None) -> str:
    """``python -m train`` with all options that the version says it was trained with; of an
    imported one, those that fit. ``holdout``: a larger one, of the same images."""
    known = manifest.data
    is_digits = known is not None and known.name == _DIGITS
    data = _DIGITS if holdout is not None and is_digits else FOLDER
    words = ["python", "-m", "train", "--data", data, "--name", manifest.name]
    words += _options(manifest)
    if manifest.extractor is None and (data, manifest.image_spec.name) != (_DIGITS, _DIGITS):
        words += ["--image-spec", manifest.image_spec.name]
    if holdout is not None:
        words += ["--holdout", f"{holdout:g}"]
    return shlex.join(words)


def import_command(manifest: Manifest) -> str:
    """``python -m models import`` of the file of an imported version, with labelled images that it
    was not trained on, which make its prediction sets."""
    source = manifest.source
    what = shlex.quote(source.uri) if source is not None else "FILE"
    spec = shlex.quote(manifest.image_spec.name)
    backend = " --backend sklearn" if manifest.backend == "sklearn" else ""
    return (
        f"python -m models import {what} --name {shlex.quote(manifest.name)} --image-spec {spec}"
        f"{backend} --check {FOLDER} --accuracy SHARE"
    )


def is_imported(manifest: Manifest) -> bool:
    return manifest.recipe is None


def _options(manifest: Manifest) -> Iterator[str]:
    if manifest.recipe is not None:
        yield from ("--recipe", manifest.recipe.removesuffix(_FEATURES))
    if manifest.extractor is not None:
        whole = manifest.quantization
        yield "--features"
        yield manifest.extractor.name if whole is None else whole.extractor.partition(":")[0]
        if manifest.augmented:
            yield "--augment"
        if whole is not None:
            yield "--quantize"
    if manifest.recipe is not None and manifest.backend == "sklearn":
        yield from ("--backend", "sklearn")
    if manifest.abstain is not None:
        yield f"--abstain={manifest.abstain:g}"
