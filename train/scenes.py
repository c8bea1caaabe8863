"""Which near-duplicates of a dataset stay together, and what the person who trains should know."""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from cli import counted
from models.offline.photo_likeness import dominating
from train.dataset import Dataset
from train.near import NearDuplicates
from train.sides import united

FEW: Final = 20
"""Scenes that are too few to tell how good a version is, however many photos there are."""


@dataclass(frozen=True, eq=False)
class Scenes:
    """``groups``: str [N], those of the data and the scenes together, None if there are neither;
    ``alike``: photos that have a near-duplicate; ``torn``: those of them whose scene is not kept,
    since it is about all of a class; ``leaked``: held-out photos that are nearly like one that is
    trained on."""

    groups: NDArray[np.str_] | None
    alike: int
    torn: int
    leaked: int

    @classmethod
    def of(cls, dataset: Dataset, near: NearDuplicates) -> Self:
        if not near.photos:
            return cls(dataset.groups, 0, 0, 0)
        own = np.arange(len(dataset))
        if dataset.groups is not None:
            own = np.unique(dataset.groups, return_inverse=True)[1].astype(np.int64)
        groups = united(own, near.groups)
        torn = dominating(groups, dataset.indices) & _joins(groups, own)
        # Numbers of their own, after those of the scenes that are kept.
        groups = np.where(torn, len(dataset) + own, groups)
        alike = np.bincount(near.groups)[near.groups] > 1
        leaked = 0
        if dataset.held is not None:
            trained = np.isin(near.groups, near.groups[~dataset.held])
            leaked = int((dataset.held & trained).sum())
        are_any = dataset.groups is not None or bool((alike & ~torn).any())
        return cls(
            np.array([str(group) for group in groups.tolist()]) if are_any else None,
            near.photos,
            int((alike & torn).sum()),
            leaked,
        )

    def notes(self, dataset: Dataset) -> list[str]:
        """Sentences for the person who trains."""
        found = []
        if self.alike > self.torn:
            kept = "in one fold" if dataset.held is not None else "all trained on or all held out"
            found.append(
                f"{counted(self.alike - self.torn, 'photo')} are nearly like another one; those "
                f"of one scene stay together, {kept}."
            )
        if self.torn:
            found.append(
                f"Warning: {counted(self.torn, 'photo')} are nearly alike and about all that their "
                "class has, so that they are on both sides of a split; if they are of one scene, "
                "the accuracy is too high: add photos of other scenes, or say with --groups what "
                "belongs together."
            )
        if self.leaked and dataset.held is not None:
            found.append(
                f"Warning: {self.leaked:,} of {counted(int(dataset.held.sum()), 'held-out photo')} "
                f"{'is' if self.leaked == 1 else 'are'} nearly like one that is trained on, so the "
                "accuracy on them is too high: hold out other scenes."
            )
        scenes = 0 if self.groups is None else len(np.unique(self.groups))
        if self.alike > self.torn and scenes < FEW:
            found.append(
                f"Warning: {counted(len(dataset), 'photo')} are of {counted(scenes, 'scene')} or "
                "groups only, too few to tell how good it is: add photos of others, or say with "
                "--groups what belongs together."
            )
        return found


def in_scenes(dataset: Dataset) -> Dataset:
    """With the scenes of its embeddings in its groups, and nothing said of them."""
    if dataset.embeddings is None:
        raise ValueError("no embeddings")
    scenes = Scenes.of(dataset, NearDuplicates.of(dataset.embeddings))
    return replace(dataset, groups=scenes.groups)


def _joins(groups: NDArray[np.int64], own: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool [N], whether a photo's group is several of those that the data have."""
    _, firsts = np.unique(own, return_index=True)
    return np.bincount(groups[firsts], minlength=len(groups))[groups] > 1
