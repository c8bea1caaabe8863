"""The images that may be trained on, and those that were left out on the way."""

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cli import counted
from errors import PipelineError
from images.spec import ImageSpec
from labels import label_key
from models.extractor import Extractor
from models.manifest import Label
from models.offline.embeddings import embeddings_of
from models.offline.likeness import Likeness
from models.pixels import Pixels, stacked, taken
from pipeline.production import LeftOut, Reason, Sample
from pipeline.sampling import sample
from pipeline.sides import held_out
from train.noise import MAX_PROPORTION, clear, out_of_fold, suspects

MIN_OF_NEW_CLASS = 5
"""Images of a class that the champion does not have; fewer are left out."""
_LEFT: Final = 2
"""Images of any class to train on."""

_KEPT: Final = ("suspected label error", "not sampled")


@dataclass
class Pool:
    """``samples``: to train on; ``left_out``: all others; ``aside``: those of them that are kept,
    since a later check may find them right."""

    samples: list[Sample] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    aside: list[Sample] = field(default_factory=list)

    def leave_out(
        self, rows: Iterable[int], reason: Reason, details: Mapping[int, str] | None = None
    ) -> None:
        """Take samples out, and keep the champion's own aside."""
        chosen, details = set(rows), details or {}
        for row in sorted(chosen):
            one = self.samples[row]
            self.left_out.append(LeftOut(reason, one.name, one.label, details.get(row, "")))
            if reason in _KEPT or (one.own and reason != "duplicate"):
                self.aside.append(one)
        self.samples = [one for row, one in enumerate(self.samples) if row not in chosen]

    def without_copies(self) -> None:
        """Keep the first of several images with the same pixels, and none if their labels differ.

        An image counts as drawn at random if one of its copies was.
        """
        groups: dict[str, list[int]] = defaultdict(list)
        for row, one in enumerate(self.samples):
            groups[one.digest].append(row)
        disputed: dict[int, str] = {}
        copies: set[int] = set()
        for rows in groups.values():
            labels = {label_key(self.samples[row].label) for row in rows}
            if len(labels) > 1:
                text = " and ".join(sorted(str(label) for _, label in labels))
                disputed |= dict.fromkeys(rows, f"the same image as {text}")
            elif len(rows) > 1:
                copies.update(rows[1:])
                drawn = any(self.samples[row].random for row in rows)
                self.samples[rows[0]] = replace(self.samples[rows[0]], random=drawn)
        self.leave_out(disputed, "conflicting labels", disputed)
        # Each one that was taken out before it has moved it up.
        before = sorted(disputed)
        self.leave_out([row - bisect(before, row) for row in copies], "duplicate")

    def without_near(self, held: Pixels, likeness: Likeness) -> None:
        """Leave out what is nearly one of ``held``, uint8 [M, F]. Of the champion's own only by
        thumbnails: it was split as far as scenes can be told apart, and a class that is one scene
        would lose all that it has."""
        spec = likeness.spec
        own = np.array([one.own for one in self.samples], dtype=bool)
        near = np.zeros(len(own), dtype=bool)
        for rows, among in (
            (np.flatnonzero(own), likeness.among_thumbnails),
            (np.flatnonzero(~own), likeness.among),
        ):
            near[rows] = among(pixels_of([self.samples[row] for row in rows], spec), held)
        self.leave_out(np.flatnonzero(near).tolist(), "near a held-out image")

    def check_enough(
        self, classes: Sequence[Label], champion: str
    ) -> set[tuple[str, Label | None]]:
        """The classes of the samples; raises PipelineError if one of ``classes``, those of the
        champion, has fewer than two images."""
        counts = Counter(label_key(one.label) for one in self.samples)
        for label in classes:
            key = label_key(label)
            if counts[key] < _LEFT:
                out = Counter(
                    one.reason
                    for one in self.left_out
                    if one.label is not None and label_key(one.label) == key
                )
                reasons = ", ".join(f"{count:,} ({reason})" for reason, count in out.most_common())
                without = f"; left out: {reasons}" if out else ""
                raise PipelineError(
                    f"Class {label!r} of {champion} has {counted(counts[key], 'image')} to train "
                    f"on, but needs at least two{without}: label more images of it, or train on "
                    "more with python -m train."
                )
        return set(counts)

    def sampled(self, limit: int, seed: int) -> None:
        """Leave out what is more than ``limit``; see ``pipeline.sampling``."""
        kept = sample(self.samples, limit, seed)
        self.leave_out(set(range(len(self.samples))) - kept, "not sampled")

    def without_suspects(
        self,
        recipe: str,
        parameters: Mapping[str, Any],
        spec: ImageSpec,
        seed: int,
        extractor: Extractor | None = None,
    ) -> str | None:
        """Leave out suspected label errors; or why that was not possible."""
        names, given = np.unique(np.array([one.label for one in self.samples]), return_inverse=True)
        given = given.astype(np.int64)
        pixels = pixels_of(self.samples, spec)
        if extractor is None:
            features = spec.features(pixels[:])
        else:
            features = embeddings_of(pixels, extractor)
        groups = groups_of(self.samples)
        probabilities = out_of_fold(recipe, parameters, features, given, seed, groups)
        if probabilities is None:
            return f"a class has too few images{'' if groups is None else ' or groups'}"
        wrong, likeliest = suspects(probabilities, given)
        if wrong.mean() > MAX_PROPORTION:
            return (
                f"the classifier doubts {wrong.mean():.0%} of all labels, so it is too weak for it"
            )
        rows = np.flatnonzero(wrong & clear(probabilities, given)).tolist()
        details = {row: f"looks like {names[likeliest[row]]}" for row in rows}
        self.leave_out(rows, "suspected label error", details)
        return None

    def take_new_classes(
        self, classes: Sequence[Label], likeness: Likeness, share: float
    ) -> list[Sample]:
        """Take out and return what is held out of classes that the champion does not have, which
        its own holdout lacks: whole scenes, by the hash of the first image of each, and at least
        one. A class of which nothing would be left to train on is left out."""
        known = {label_key(label) for label in classes}
        new: dict[object, list[int]] = defaultdict(list)
        for row, one in enumerate(self.samples):
            if label_key(one.label) not in known:
                new[label_key(one.label)].append(row)
        held: list[Sample] = []
        details: dict[int, str] = {}
        for rows in new.values():
            if len(rows) < MIN_OF_NEW_CLASS:
                details |= dict.fromkeys(rows, f"fewer than {MIN_OF_NEW_CLASS} images")
                continue
            some = [self.samples[row] for row in rows]
            chosen = _held_of(some, pixels_of(some, likeness.spec), likeness, share)
            if not chosen:
                details |= dict.fromkeys(rows, "all nearly alike")
            held += chosen
        taken_out = {id(one) for one in held}
        self.leave_out(details, "new class", details)
        self.samples = [one for one in self.samples if id(one) not in taken_out]
        if held:
            self.without_near(pixels_of(held, likeness.spec), likeness)
        return held


def _held_of(
    samples: Sequence[Sample], pixels: Pixels, likeness: Likeness, share: float
) -> list[Sample]:
    """What is held out of a class, of which at least two images are left to train on; nothing if
    that cannot be."""
    firsts = np.arange(len(samples))
    for row, before in enumerate(likeness.earlier(pixels)):
        if before >= 0:
            firsts[row] = firsts[before]
    scenes, sizes = (found.tolist() for found in np.unique(firsts, return_counts=True))
    digests = {first: samples[first].digest for first in scenes}
    by_hash = [first for first in scenes if held_out(digests[first], share)]
    _, _, smallest = min(zip(sizes, digests.values(), scenes, strict=True))
    for chosen in (by_hash, [smallest]):
        held = np.isin(firsts, chosen)
        near = likeness.among(pixels, taken(pixels, np.flatnonzero(held)))
        if held.any() and (~held & ~near).sum() >= _LEFT:
            return list(compress(samples, held.tolist()))
    return []


def pixels_of(samples: Sequence[Sample], spec: ImageSpec) -> Pixels:
    """uint8 [N, F], on disk if those of the samples are."""
    return stacked([one.pixels for one in samples], spec.n_features)


def groups_of(samples: Sequence[Sample]) -> NDArray[np.str_] | None:
    """str [N], of which none is split: one of its own for a sample that is in none; None if no
    sample is in any."""
    if not any(one.group for one in samples):
        return None
    return np.array([one.group or f"alone: {one.name}" for one in samples])
