"""The data of a retraining: the champion's own training images, and labelled records since.

Two holdouts judge what comes of it: the champion's own, which stays as it was, and the newest
labelled records that were drawn at random. No image of either, or nearly one, is trained on.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Self

import numpy as np
from numpy.typing import NDArray

from errors import PipelineError
from images.spec import ImageSpec
from labels import label_key
from models.image_list import Side
from models.manifest import Label
from models.offline.likeness import Likeness
from models.offline.photo_likeness import PhotoLikeness
from models.pixels import Pixels, StoredPixels, joined, row_of
from models.reference import Reference
from models.remaking import training_command
from models.store import Store
from models.training_images import TrainingSet
from models.version import Version
from monitor.quality.image_checks import is_blank
from pipeline.pool import Pool, groups_of, pixels_of
from pipeline.production import LeftOut, Sample, gather
from pipeline.recipe import recipe_of
from pipeline.sides import places
from records.database import Database
from records.labelled import newest_labelled
from settings import Settings
from train.dataset import Dataset, Split

MAX_PRODUCTION = 2_000
"""Of the images of production that are held out, the newest."""
_USUAL = 0.01


@dataclass(frozen=True)
class Rules:
    """``max_images``: to train on; ``holdout``: the proportion of the images drawn at random that
    are held out."""

    max_images: int = 20_000
    holdout: float = 0.3

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.retrain_max_images, settings.retrain_holdout)


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What to train on and what to judge by, and what was left out and why.

    ``frozen``: the champion's own holdout, with some images of new classes that were accepted;
    ``production``: the newest labelled records that were drawn at random; ``kept``: images of the
    champion's, of which ``missing`` more can no longer be read; ``records``: labelled records that
    were looked at; ``unchecked``: why label errors were not looked for, if so; ``images``: what is
    kept for the next retraining.
    """

    champion: str
    train: Dataset
    frozen: Dataset
    production: Dataset
    kept: int
    missing: int
    records: int
    from_records: int
    left_out: tuple[LeftOut, ...]
    new_classes: Mapping[Label, int]
    accepted: bool
    unchecked: str | None
    images: TrainingSet

    @property
    def counts(self) -> Counter[str]:
        """How many images were left out, by reason."""
        return Counter(one.reason for one in self.left_out)

    def split(self, name: str) -> tuple[Split, Dataset]:
        """Both sides, of which the second has both holdouts, and the whole, under a name."""
        holdout = _joined((self.frozen, self.production), name)
        train = _joined((self.train,), name)
        return Split(train, holdout), _joined((train, holdout), name)


def assemble(
    database: Database,
    store: Store,
    champion: Version,
    rules: Rules | None = None,
    *,
    recipe: str | None = None,
    accept_new_classes: bool = False,
    seed: int = 0,
) -> TrainingData:
    """Gather, check and split the data to retrain ``champion`` on, by its recipe or another.

    The same records and images give the same data. Raises PipelineError if the champion's training
    images are not here or too few are left, and DatabaseError.
    """
    rules, manifest = rules or Rules(), champion.manifest
    spec, classes = manifest.image_spec, manifest.labels
    by = recipe_of(champion, recipe)
    labelled = newest_labelled(database, champion.name, 2 * rules.max_images)
    own = _own(store, champion, len(labelled))
    frozen = _own_samples(own, champion, ("holdout",))
    protected = _protected(champion, frozen, spec)
    found = gather(
        database,
        labelled,
        spec,
        classes,
        accept_new_classes=accept_new_classes,
        spill=own.pixels.spill if isinstance(own.pixels, StoredPixels) else None,
    )
    pool = Pool([*_own_samples(own, champion, ("train", "aside")), *found.samples], found.left_out)
    # Blank images may be a class of their own.
    if is_blank(own.pixels).mean() < _USUAL:
        blank = is_blank(pixels_of(pool.samples, spec))
        pool.leave_out(np.flatnonzero(blank).tolist(), "blank")
    pool.without_copies()
    extractor = champion.artifact.extractor()
    if extractor is None:
        likeness = Likeness.of(protected, spec)
    else:
        trained = pixels_of(_own_samples(own, champion, ("train",)), spec)
        likeness = PhotoLikeness.between(trained, protected, extractor)
    held = _hold_out(pool, protected, likeness, rules.holdout)
    extra = pool.take_new_classes(classes, likeness, rules.holdout)
    pool.sampled(rules.max_images, seed)
    parameters = manifest.parameters if by == manifest.recipe else {}
    unchecked: str | None = "the champion was made by no recipe"
    pool.check_enough(classes, champion.tag)
    if by is not None:
        unchecked = pool.without_suspects(by, parameters, spec, seed, extractor)
    known = pool.check_enough(classes, champion.tag)
    extra = [one for one in extra if label_key(one.label) in known]
    production = [one for one in held if label_key(one.label) in known][-MAX_PRODUCTION:]
    return TrainingData(
        champion=champion.tag,
        train=_dataset(pool.samples, spec, classes),
        frozen=_dataset([*frozen, *extra], spec, classes),
        production=_dataset(production, spec, classes),
        kept=len(own),
        missing=own.missing,
        records=found.records,
        from_records=sum(not one.own for one in pool.samples),
        left_out=tuple(pool.left_out),
        new_classes=dict(found.new_classes),
        accepted=accept_new_classes,
        unchecked=unchecked,
        images=_training_set(
            spec,
            (("train", pool.samples), ("holdout", [*frozen, *extra, *production])),
            pool.aside,
        ),
    )


def _own(store: Store, champion: Version, records: int) -> TrainingSet:
    """``records``: how many will be gathered to them."""
    own = store.training_images.read(champion.name, champion.version, records)
    if own is None or not len(own):
        raise PipelineError(f"{without_images(champion)}.")
    return own


def without_images(champion: Version) -> str:
    """Why a champion cannot be retrained whose training images were not kept, and the way out."""
    return (
        f"The training images of {champion.tag} are not here: it was imported, made before they "
        "were kept, or they would have exceeded PUPILA_TRAINING_IMAGES_BYTES; train a version "
        f"here with {training_command(champion.manifest)}, and promote it"
    )


def _own_samples(own: TrainingSet, champion: Version, sides: tuple[Side, ...]) -> list[Sample]:
    at = champion.manifest.created_at
    files, sources, groups = own.files or (), own.sources or (), own.groups or ()
    return [
        Sample(
            f"own {row + 1}",
            row_of(own.pixels, row),
            own.labels[row],
            at,
            file=files[row],
            source=sources[row],
            group=groups[row],
            own=True,
        )
        for row in range(len(own))
        if own.sides[row] in sides
    ]


def _protected(champion: Version, frozen: Sequence[Sample], spec: ImageSpec) -> Pixels:
    """uint8 [N, F]: whatever the champion is judged by, even where its images are not here."""
    pixels = pixels_of(frozen, spec)
    if champion.manifest.extractor is not None:
        # Its reference has small copies only.
        return pixels
    reference = Reference.load(champion.artifact)
    return pixels if reference is None else joined([pixels, reference.pixels])


def _hold_out(pool: Pool, protected: Pixels, likeness: Likeness, share: float) -> list[Sample]:
    """Take the images of production that are held out from the pool, oldest first."""
    spec = likeness.spec
    pool.without_near(protected, likeness)
    fresh = [row for row, one in enumerate(pool.samples) if not one.own]
    own = [one for one in pool.samples if one.own]
    records = [pool.samples[row] for row in fresh]
    where = places(records, pixels_of(records, spec), pixels_of(own, spec), likeness, share)
    held = list(compress(records, (place == "holdout" for place in where)))
    close = list(compress(fresh, (place == "neither" for place in where)))
    taken = {id(one) for one in held}
    pool.leave_out(close, "near a held-out image")
    pool.samples = [one for one in pool.samples if id(one) not in taken]
    return held


def _dataset(samples: Sequence[Sample], spec: ImageSpec, classes: Sequence[Label]) -> Dataset:
    labels = [one.label for one in samples]
    targets: NDArray[np.int64] | NDArray[np.str_] = (
        np.array(labels, np.int64) if isinstance(classes[0], int) else np.array(labels, np.str_)
    )
    files = tuple(one.file for one in samples)
    groups = groups_of(samples)
    return Dataset(pixels_of(samples, spec), targets, "", spec, files=files, groups=groups)


def _training_set(
    spec: ImageSpec, sides: Iterable[tuple[Side, Sequence[Sample]]], aside: Sequence[Sample]
) -> TrainingSet:
    placed: list[tuple[Side, Sample]] = [(side, one) for side, part in sides for one in part]
    placed += [("aside", one) for one in aside]
    return TrainingSet(
        spec=spec,
        pixels=pixels_of([one for _, one in placed], spec),
        labels=tuple(one.label for _, one in placed),
        sides=tuple(side for side, _ in placed),
        files=tuple(one.file for _, one in placed),
        sources=tuple(one.source for _, one in placed),
        groups=tuple(one.group for _, one in placed),
    )


def _joined(parts: Sequence[Dataset], name: str) -> Dataset:
    # Concatenated, the longest of all texts decides their type.
    return Dataset(
        joined([part.pixels for part in parts]),
        np.concatenate([part.targets for part in parts]),
        name,
        parts[0].spec,
        files=tuple(file for part in parts for file in part.files or (None,) * len(part)),
        groups=_joined_groups(parts),
    )


def _joined_groups(parts: Sequence[Dataset]) -> NDArray[np.str_] | None:
    if all(part.groups is None for part in parts):
        return None
    found = list[str]()
    for number, part in enumerate(parts):
        alone = [f"alone: {number}, {row}" for row in range(len(part))]
        found += alone if part.groups is None else part.groups.tolist()
    return np.array(found)
