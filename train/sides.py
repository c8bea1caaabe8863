"""Which images are held out: of each class, in whole groups, and never a copy of one trained on."""

import numpy as np
from numpy.typing import NDArray

from errors import DatasetError


def by_class(
    indices: NDArray[np.int64], holdout: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """bool [N]: a proportion of each class, and at least one image on each side.

    ``indices``: int64 [N], classes of at least two images. scikit-learn's stratified split drops a
    rare class from the smaller part.
    """
    held = np.zeros(len(indices), dtype=bool)
    order = np.argsort(indices, kind="stable")
    ends = np.cumsum(np.bincount(indices))
    for start, end in zip(np.concatenate([[0], ends[:-1]]), ends, strict=True):
        members = rng.permutation(order[start:end])
        held[members[: min(max(round(holdout * len(members)), 1), len(members) - 1)]] = True
    return held


def by_group(
    indices: NDArray[np.int64],
    groups: NDArray[np.int64],
    holdout: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """bool [N]: whole groups, of each class about a proportion, and never all of its images.

    ``indices`` and ``groups``: int64 [N], classes and groups from 0 on. In random order, a group is
    held out if the proportions come closer to the wanted one (least squares over the classes, as
    scikit-learn's StratifiedGroupKFold); of a class of which none did, the one that goes least
    astray. Raises DatasetError if no group can be held out.
    """
    classes = int(indices.max()) + 1
    total = np.bincount(indices, minlength=classes)
    # Groups by classes may be a large table, and most of it empty.
    pairs, counts = np.unique(groups * classes + indices, return_counts=True)
    of_group = np.split(np.arange(len(pairs)), np.searchsorted(pairs // classes, np.unique(groups)))
    taken = np.zeros(classes)
    chosen: list[int] = []
    order = rng.permutation(len(of_group) - 1).tolist()

    def change(group: int) -> float:
        """Of the squares, if it is held out, too; infinite if nothing of a class would be left."""
        rows = of_group[group + 1]
        inner, more = pairs[rows] % classes, counts[rows]
        if (taken[inner] + more >= total[inner]).any():
            return np.inf
        off = taken[inner] / total[inner] - holdout
        return float((((off + more / total[inner]) ** 2) - off**2).sum())

    def hold_out(group: int) -> None:
        rows = of_group[group + 1]
        taken[pairs[rows] % classes] += counts[rows]
        chosen.append(group)

    for group in order:
        if change(group) < 0:
            hold_out(group)
    for missing in range(classes):
        # Its groups are all larger than the proportion.
        if not taken[missing]:
            having = set((pairs[pairs % classes == missing] // classes).tolist())
            best = min((group for group in order if group in having), key=change)
            if change(best) < np.inf:
                hold_out(best)
    if not chosen:
        raise DatasetError(
            "The images cannot be split: those of each class are all of one group, or copies of "
            "each other, so that nothing would be left to train on; add others, or use smaller "
            "--groups if you did."
        )
    return np.isin(groups, chosen)


def united(groups: NDArray[np.int64], copies: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 [N]: the groups, of which those with equal images are one."""
    parent = list(range(int(groups.max()) + 1))

    def root(group: int) -> int:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    first: dict[int, int] = {}
    for group, copy in zip(groups.tolist(), copies.tolist(), strict=True):
        parent[root(group)] = root(first.setdefault(copy, group))
    roots = np.array([root(group) for group in groups.tolist()])
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def copied(held: NDArray[np.bool_], copies: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool [N]: what is held out though an equal image is trained on.

    ``copies``: int64 [N], equal for equal images.
    """
    return held & np.isin(copies, copies[~held])
