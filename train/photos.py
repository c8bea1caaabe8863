"""Training on photos: what is done besides, and told to the person who trains."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import click

from models.extractor import Extractor
from models.lineage import open_store
from models.offline.bringing_extractor import chosen
from models.offline.quantization import check_quantizable
from train.augmenting import COPIES, Variants, variants_of
from train.dataset import Dataset, Split
from train.embedding import embedded
from train.fit import TrainingResult
from train.learning import learning_curve
from train.near import NearDuplicates
from train.outlook import Outlook, without_outlook
from train.photo_options import PhotoChoice
from train.progress import Advance
from train.quantizing import in_int8, quantized_if_as_good
from train.recipes import for_features
from train.scenes import Scenes

_EMBEDDING = "Looking at the images"
_EMBEDDING_AGAIN = "Looking at the images in int8"
_COMPARING = "Comparing the images"
_COPIES = "Looking at copies"
_CURVE = "Training on fewer"
_QUANTIZING = "Quantizing"

SUSPECTS = "suspects.png"
LEARNING = "learning.png"


def chosen_extractor(
    choice: PhotoChoice, image_spec: str | None, say: Callable[[str], None]
) -> Extractor:
    """The one that ``--features`` names, added to the store if it is the default one or a file.

    Raises UsageError for an image spec beside it, ConversionError if it cannot be quantized and is
    to be, and as ``models.offline.bringing_extractor``.
    """
    if image_spec is not None:
        raise click.UsageError(
            "--image-spec is the extractor's: give it to python -m features add, or leave it out."
        )
    brought = chosen(open_store(), choice.features or "")
    for fact in brought.facts:
        say(f"{fact.name}: {fact.value} ({fact.reason})")
    manifest = brought.extractor.manifest
    say(
        f"Features: {brought.extractor.tag}, {manifest.dimension:,} numbers an image "
        f"(license: {manifest.license})."
    )
    if choice.quantize:
        check_quantizable(brought.extractor)
    return brought.extractor


def recipe_of(name: str) -> str:
    """That for embeddings, of a name that ``--recipe`` takes."""
    return for_features("logistic" if name == "auto" else name)


@dataclass
class Photos:
    """A training on the embeddings of ``extractor``. ``leftovers``: undone unless a version is
    saved."""

    extractor: Extractor
    choice: PhotoChoice
    seed: int
    advance: Advance
    say: Callable[[str], None]
    leftovers: ExitStack
    _pictures: dict[str, bytes] = field(default_factory=dict)
    _trained_on: dict[str, tuple[Split, Variants | None]] = field(default_factory=dict)
    """By the extractor's hash."""

    def prepared(self, dataset: Dataset, recipe: str) -> Dataset:
        """With embeddings, and near-duplicates in groups; what looks wrong is said."""
        dataset = embedded(
            dataset, self.extractor, lambda done, total: self.advance(_EMBEDDING, done, total)
        )
        if dataset.embeddings is None:
            raise ValueError("no embeddings")
        near = NearDuplicates.of(
            dataset.embeddings, lambda done, total: self.advance(_COMPARING, done, total)
        )
        scenes = Scenes.of(dataset, near)
        for note in scenes.notes(dataset):
            self.say(note)
        dataset = replace(dataset, groups=scenes.groups)
        outlook = Outlook.of(dataset, recipe_of(recipe), self.seed)
        notes = without_outlook(dataset) if outlook is None else outlook.notes(dataset)
        for note in notes:
            self.say(note)
        if outlook is not None:
            picture = outlook.picture(dataset)
            if picture is not None:
                self._pictures[SUSPECTS] = picture
        return dataset

    def trained(
        self,
        fit: Callable[..., TrainingResult],
        dataset: Dataset,
        split: Callable[[Dataset], Split],
    ) -> TrainingResult:
        """What ``fit`` makes of it, with the pictures."""
        if self.choice.quantize:
            result = self._quantized(fit, dataset, split)
        else:
            result = self._fitted(fit, dataset, split(dataset), self.extractor)
        if self.choice.learning_curve:
            result = self._with_curve(result)
        pictures = {**result.candidate.pictures, **self._pictures}
        return replace(result, candidate=replace(result.candidate, pictures=pictures))

    def _fitted(
        self,
        fit: Callable[..., TrainingResult],
        dataset: Dataset,
        parts: Split,
        extractor: Extractor,
    ) -> TrainingResult:
        """Trained on the embeddings of ``extractor``, and on those of copies, if asked for."""
        if not self.choice.augment:
            self._trained_on[extractor.sha256] = parts, None
            return fit(parts, dataset, extractor=extractor)
        variants = variants_of(
            parts.train,
            extractor,
            self.seed,
            lambda done, total: self.advance(_COPIES, done, total),
        )
        self._trained_on[extractor.sha256] = parts, variants
        result = fit(parts, dataset, extractor=extractor, variants=variants)
        return replace(result, candidate=replace(result.candidate, augmented=COPIES))

    def _with_curve(self, result: TrainingResult) -> TrainingResult:
        """Of the embeddings and copies that the version was trained on, so that it ends where the
        version's own accuracy is."""
        chosen = result.candidate.extractor or self.extractor
        parts, variants = self._trained_on[chosen.sha256]
        curve = learning_curve(
            parts,
            result.candidate.recipe or "",
            result.candidate.parameters,
            self.seed,
            lambda done, total: self.advance(_CURVE, done, total),
            variants,
        )
        if curve is None:
            finding = "There is no learning curve: a class has too few photos to train on fewer."
        else:
            finding = curve.sentence
            self._pictures[LEARNING] = curve.picture()
        return replace(result, findings=(*result.findings, finding))

    def _quantized(
        self,
        fit: Callable[..., TrainingResult],
        dataset: Dataset,
        split: Callable[[Dataset], Split],
    ) -> TrainingResult:
        """Trained on embeddings in float, and in int8, of which the latter stays if it is as
        good."""

        def train(dataset: Dataset, extractor: Extractor) -> TrainingResult:
            return self._fitted(fit, dataset, split(dataset), extractor)

        self.advance(_QUANTIZING, 0, 1)
        # First: an extractor that cannot be quantized is found before the training.
        pixels = split(dataset).train.pixels
        small = in_int8(open_store(), self.extractor, pixels, self.leftovers)
        self.advance(_QUANTIZING, 1, 1)
        return quantized_if_as_good(
            train(dataset, self.extractor),
            dataset,
            open_store(),
            self.extractor,
            small,
            max_loss=self.choice.max_loss,
            train=train,
            on_progress=lambda done, total: self.advance(_EMBEDDING_AGAIN, done, total),
        )
