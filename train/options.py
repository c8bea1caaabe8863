"""What the commands that train have in common: the recipes' names, and the options of a search."""

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from train.fit import SearchPlan

RECIPES: Final = ("svc", "forest", "boosting", "logistic", "mlp", "knn", "linear-svc")
"""The same as ``train.recipes.RECIPES``, which cannot be imported without scikit-learn."""


def check_search(
    candidates: int | None, *, halving: bool, workers: int | None, dask: str | None
) -> None:
    """Raises UsageError for options that do not go together."""
    if candidates is None and (halving or workers or dask):
        raise click.UsageError("--halving, --workers and --dask need a search: add --search N.")
    if workers and dask:
        raise click.UsageError("--workers is only for this machine: leave it out with --dask.")


def search_plan(
    candidates: int | None,
    *,
    halving: bool,
    workers: int | None,
    dask: str | None,
    resume: bool = False,
) -> "SearchPlan | None":
    """The search that the options describe; None without ``candidates``."""
    from train.fit import SearchPlan

    if candidates is None:
        return None
    return SearchPlan(candidates, "halving" if halving else "random", workers, dask, resume)
