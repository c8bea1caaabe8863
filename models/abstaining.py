"""A version that says nothing where it cannot say one label: a copy of one that always answers.

Versions never change, so that what was checked and signed is what answers. Whether one abstains is
a part of its manifest.
"""

from dataclasses import dataclass
from pathlib import Path

from errors import ModelError
from models.artifact import MANIFEST
from models.coverage import most, needed, rank
from models.manifest import Honesty, Manifest, changed
from models.remaking import import_command, is_imported, training_command
from models.version import Version


@dataclass(frozen=True)
class Abstaining:
    """A copy of ``version`` that abstains, to be saved."""

    version: Version
    coverage: float

    def __post_init__(self) -> None:
        """Raises ModelError if it has no thresholds for that."""
        manifest = self.version.manifest
        if not manifest.gives_probabilities or manifest.honesty is None:
            raise ModelError(f"{self.version.tag} {_why_not(manifest)}")
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
        manifest = changed(old.manifest, abstain=self.coverage, parent=self.version.tag)
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
        return manifest


def _why_not(manifest: Manifest) -> str:
    """What follows the tag of a version that states no coverage, and what would be right."""
    if not manifest.gives_probabilities:
        way = (
            "import a classifier that has predict_proba."
            if is_imported(manifest)
            else f"train it again: {training_command(manifest)}"
        )
        return f"gives scores and no probabilities, so it cannot abstain; {way}"
    way = (
        "import it again with labelled images that it was not trained on, and the share of them "
        f"that it has right: {import_command(manifest)}"
        if is_imported(manifest)
        else f"train it again: {training_command(manifest)}"
    )
    return f"has no thresholds for prediction sets, so it cannot abstain; {way}"


def check_abstention(who: str, honesty: Honesty, coverage: float) -> None:
    """Raises ModelError if too few images were held out to abstain by this coverage."""
    if rank(honesty.images, coverage) is None:
        best = int(most(honesty.images) * 1000) / 1000
        raise ModelError(
            f"{who} was validated on {honesty.images:,} images, which state coverages up to "
            f"{best:g}: to abstain by {coverage:g} needs {needed(coverage):,}."
        )
