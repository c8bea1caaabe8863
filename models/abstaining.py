"""A version that says nothing where it cannot say one label: a copy of one that always answers.

Versions never change, so that what was checked and signed is what answers. Whether one abstains is
a part of its manifest.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from errors import ModelError
from models.artifact import MANIFEST
from models.coverage import most, needed, rank
from models.manifest import Honesty, Manifest, content_digest
from models.version import Version

USUAL: Final = 0.95


def abstain_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--abstain``, of every command that makes versions."""
    return click.option(
        "--abstain",
        is_flag=False,
        flag_value=USUAL,
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        metavar="[COVERAGE]",
        help="Answer null where the image is not like those of the training, or the prediction set "
        f"of this coverage ({USUAL} unless given) has not exactly one label.",
    )(function)


@dataclass(frozen=True)
class Abstaining:
    """A copy of ``version`` that abstains, to be saved."""

    version: Version
    coverage: float

    def __post_init__(self) -> None:
        """Raises ModelError if it has no thresholds for that."""
        manifest = self.version.manifest
        if not manifest.gives_probabilities or manifest.honesty is None:
            raise ModelError(
                f"{self.version.tag} has no thresholds for prediction sets, so it cannot abstain; "
                "train it again."
            )
        check_abstention(self.version.tag, manifest.honesty, self.coverage)

    @property
    def name(self) -> str:
        return self.version.name

    def write(self, folder: Path) -> Manifest:
        """All files as they are, and a manifest that says so. Raises ArtifactError if a file was
        altered."""
        old = self.version.artifact
        for name in old.manifest.files:
            (folder / name).write_bytes(old.read(name))
        changes = {"abstain": self.coverage, "parent": self.version.tag, "content": ""}
        manifest = Manifest.model_validate(old.manifest.model_dump() | changes)
        digest = content_digest(json.loads(manifest.model_dump_json()))
        manifest = manifest.model_copy(update={"content": digest})
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
        return manifest


def check_abstention(who: str, honesty: Honesty, coverage: float) -> None:
    """Raises ModelError if too few images were held out to abstain by this coverage."""
    if rank(honesty.images, coverage) is None:
        best = int(most(honesty.images) * 1000) / 1000
        raise ModelError(
            f"{who} was validated on {honesty.images:,} images, which state coverages up to "
            f"{best:g}: to abstain by {coverage:g} needs {needed(coverage):,}."
        )
