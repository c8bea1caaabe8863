"""``python -m train``: from images to a checked version in the model store."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

import cli
from errors import ModelError
from models.abstention import abstain_option
from models.names import RULE, is_name
from train.data_options import DataChoice, data_options
from train.options import OF_PHOTOS, RECIPES, check_search, search_plan
from train.photo_options import PhotoChoice, photo_options

if TYPE_CHECKING:
    from models.offline.succession import Succession
    from train.auto_recipe import Choice
    from train.dataset import Dataset
    from train.fit import TrainingResult
    from train.progress import Advance


# The same as models.offline.succession.Promote.
PROMOTE = ("always", "better", "never")

_STAGES = {"search": "Searching", "fit": "Fitting", "calibrate": "Calibrating"}
_SAVING = "Converting, checking and saving"


def _name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not is_name(value):
        raise click.BadParameter(f"{RULE}.")
    return value


@click.command(cls=cli.Command, context_settings={"show_default": True, "max_content_width": 100})
@data_options
@click.option(
    "--recipe",
    "recipe_name",
    default="auto",
    type=click.Choice(("auto", *RECIPES, OF_PHOTOS)),
    help="What to train; auto takes svc, or where that would take minutes, forest or logistic; "
    "with --features logistic, and there is lda, too.",
)
@photo_options
@click.option("--name", default="clf", callback=_name, help="The model's name in the store.")
@click.option(
    "--image-spec",
    metavar="SPEC",
    help="How an image becomes features: digits, gray-<W>x<H>, rgb-<W>x<H>, each with options such "
    "as :crop or :full, or auto to choose from the images.  [default: digits for digits, auto for "
    "a folder]",
)
@click.option(
    "--holdout",
    default=0.2,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Proportion of each class to evaluate on instead of training on it.",
)
@click.option(
    "--seed",
    default=0,
    type=click.IntRange(0, 2**32 - 1),
    help="The same seed and data give a version with the same content.",
)
@click.option(
    "--search",
    "candidates",
    type=int,
    metavar="N",
    help="Try N sets of parameters from the recipe's ranges, with cross-validation.",
)
@click.option(
    "--halving", is_flag=True, help="Search on few images first, and on all only for the best."
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Number of processes for the search.  [default: one for each processor]",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Search on the Dask cluster with this scheduler, such as tcp://10.0.0.5:8786.",
)
@click.option(
    "--backend",
    type=click.Choice(["onnx", "sklearn"]),
    default="onnx",
    help="onnx serves the graph; sklearn the estimator itself, if it cannot be converted.",
)
@click.option(
    "--promote",
    type=click.Choice(PROMOTE),
    help="Whether the new version answers: always; better, if it is certainly better than the "
    "champion on the champion's holdout; or never, so that it is a candidate.  [default: until "
    "somebody promotes or rolls out a version of the model, unless it is certainly worse than the "
    "version before it; never from then on]",
)
@abstain_option
@click.option(
    "--no-abstain",
    is_flag=True,
    help="Always answer, though the version that it is to replace abstains.",
)
def main(
    recipe_name: str,
    name: str,
    image_spec: str | None,
    holdout: float,
    seed: int,
    candidates: int | None,
    halving: bool,
    workers: int | None,
    dask: str | None,
    backend: Literal["onnx", "sklearn"],
    promote: Literal["always", "better", "never"] | None,
    abstain: float | None,
    no_abstain: bool,
    **chosen: Any,
) -> None:
    """Train an image classifier, check it, and save it as a new version in the model store.

    If a check fails, nothing is saved. To train on a folder named digits, write ./digits.
    """
    check_search(candidates, halving=halving, workers=workers, dask=dask)
    photo = PhotoChoice.taken(chosen)
    if recipe_name == OF_PHOTOS and photo.features is None:
        raise click.UsageError(f"--recipe {OF_PHOTOS} needs --features: it is for photos.")
    if no_abstain and abstain is not None:
        raise click.UsageError("--abstain and --no-abstain are opposites: leave one out.")

    from rich.console import Console

    from train.announcement import announce
    from train.dataset import split
    from train.fit import train_parts
    from train.progress import progress
    from train.report import print_report

    # A wrong plan is reported before the images are read.
    plan = search_plan(candidates, halving=halving, workers=workers, dask=dask, resume=True)
    extractor = None
    if photo.features is not None:
        from train.photos import chosen_extractor

        extractor = chosen_extractor(photo, image_spec, _say)
    _check_store(name)
    if abstain is None and not no_abstain:
        abstain = _inherited_coverage(name)
    with progress() as advance, ExitStack() as leftovers:
        dataset = DataChoice(**chosen).load(
            image_spec if extractor is None else extractor.manifest.image_spec,
            lambda done, total: advance("Loading", done, total),
        )
        _print_notes(dataset)
        photos = None
        if extractor is not None:
            from train.photos import Photos

            photos = Photos(extractor, photo, seed, advance, _say, leftovers)
            dataset = photos.prepared(dataset, recipe_name)
        source = click.get_current_context().get_parameter_source("holdout")
        if dataset.held is not None and source is not ParameterSource.DEFAULT:
            _say("--holdout is not used, as the data say what is held out.")
        parts = split(dataset, holdout, seed)
        choice = _choose(parts.train, recipe_name)
        advance.expect(_STAGES["fit"], choice.effort.fit)
        fit = partial(
            train_parts,
            recipe_name=choice.recipe,
            name=name,
            seed=seed,
            plan=plan,
            backend=backend,
            on_stage=lambda stage, done, total: advance(_STAGES[stage], done, total),
            on_note=_say,
            drawn=dataset.held is None,
            abstain=abstain,
        )
        if photos is None:
            result = fit(parts, dataset)
        else:
            result = photos.trained(fit, dataset, lambda one: split(one, holdout, seed))
        advance.expect(_SAVING, choice.effort.save)
        saved = _save(result, promote, advance)
        leftovers.pop_all()
    console = Console(highlight=False, markup=False)
    print_report(console, result.metrics, dataset.skipped, result.findings)
    announce(result, saved)


def _check_store(name: str) -> None:
    """Raises ModelError if nothing could be saved: before a training that may take hours."""
    from models.kinds import check_model_name
    from models.lineage import open_store

    store = open_store()
    check_model_name(name, store.roots)
    with store.staging.folder() as folder:
        try:
            (folder / "probe").write_bytes(bytes(65_536))
        except OSError as error:
            raise ModelError(f"{folder.parent} cannot be written: {error.strerror}.") from None


def _inherited_coverage(name: str) -> float | None:
    """By which the version abstains that the new one is to replace; said if it does."""
    from models.lineage import open_store

    store = open_store()
    if not store.versions(name):
        return None
    champion = store.champion(name)
    coverage = champion.manifest.abstain
    if coverage is not None:
        _say(
            f"{champion.tag} abstains by the coverage {coverage:g}, so what is to replace it does "
            "so too; --no-abstain leaves that out."
        )
    return coverage


def _print_notes(dataset: "Dataset") -> None:
    """What was taken and what was left out: before it is trained on, which may take long."""
    from train.duplicates import Duplicates

    for note in (*dataset.notes, *Duplicates.of(dataset).notes(dataset)):
        _say(note)


def _say(note: str) -> None:
    click.echo(cli.printable(note), err=True)


def _choose(train: "Dataset", recipe: str) -> "Choice":
    """The recipe for what is trained on, once what it takes is told."""
    from train.auto_recipe import choose
    from train.effort import Size

    rarest = min(train.counts.values())
    if train.embeddings is not None:
        from train.photos import recipe_of

        size = Size(len(train), train.embeddings.shape[1], len(train.labels))
        choice = choose(size, recipe_of(recipe))
    else:
        size = Size(len(train), train.spec.n_features, len(train.labels))
        choice = choose(size, recipe, rarest=rarest)
    for note in choice.notes:
        _say(note)
    return choice


def _save(
    result: "TrainingResult",
    promote: Literal["always", "better", "never"] | None,
    advance: "Advance",
) -> "Succession":
    """The new version, and who answers now.

    BentoML is imported here, where it is first needed, since that takes a second.
    """
    advance(_SAVING, 0, 1)
    from models.lineage import open_store
    from models.offline.succession import save

    store = open_store()
    name = result.candidate.name
    parent = store.champion(name).tag if store.versions(name) else None
    saved = save(
        store, replace(result.candidate, parent=parent), promote, result.trained_on, result.images
    )
    advance(_SAVING, 1, 1)
    if result.search is not None:
        result.search.journal.close()
    return saved


if __name__ == "__main__":
    main(prog_name="python -m train")
