"""What the commands that train have in common: the recipes' names, and the options of a search."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from train.fit import SearchPlan

RECIPES: Final = ("svc", "forest", "boosting", "logistic", "mlp", "knn", "linear-svc")
"""The same as ``train.recipes.RECIPES``, which cannot be imported without scikit-learn."""

OF_PHOTOS: Final = "lda"
"""For embeddings alone."""


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


def quantize_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options ``quantize`` and ``max_loss``."""
    for option in (
        click.option(
            "--max-loss",
            default=0.01,
            type=click.FloatRange(0, 1),
            help="With --quantize: how much of the accuracy may be lost.",
        ),
        click.option(
            "--quantize",
            is_flag=True,
            help="With --features: turn the network into int8, a third of the size and faster, if "
            "that costs no more accuracy than --max-loss allows. It trains twice.",
        ),
    ):
        command = option(command)
    return command
