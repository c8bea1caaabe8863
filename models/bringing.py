"""``python -m models import`` of a pickle or a skops file: shown, loaded, proven, saved."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from errors import ConversionError, ParityError, PickleError, SpecError
from images.spec import ImageSpec
from models.artifact import MANIFEST
from models.manifest import Manifest, changed
from models.source import Source
from models.store import Store

if TYPE_CHECKING:
    from models.offline.pickles import LoadedPickle
    from models.offline.succession import Succession
    from models.unsaved import Unsaved


@dataclass(frozen=True)
class Pickle:
    """A file, and how the user wants it served.

    ``spec``: None to find the one that fits ``check``. ``source``: where the file was taken from.
    ``trust``: whether it may run code. ``version``: of the scikit-learn that is to convert it.
    ``check``: images with what the original said, or, if ``accuracy`` is given, with their true
    labels.
    """

    path: Path
    name: str
    spec: ImageSpec | None
    source: Source | None = None
    trust: bool = True
    backend: Literal["onnx", "sklearn"] = "onnx"
    entry: str | None = None
    version: str | None = None
    check: Path | None = None
    accuracy: float | None = None


@dataclass(frozen=True)
class Sourced:
    """A version to save that says where it was taken from."""

    unsaved: "Unsaved"
    source: Source

    @property
    def name(self) -> str:
        return self.unsaved.name

    def write(self, folder: Path) -> Manifest:
        manifest = changed(self.unsaved.write(folder), source=self.source)
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
        return manifest


def show(path: Path) -> bool:
    """Print what loading the file could run, and return whether that is anything; nothing is
    loaded. Raises PickleError."""
    from models.offline.inspection import inspect_file

    report = inspect_file(path)
    if report.sklearn_version:
        click.echo(f"Made by scikit-learn {report.sklearn_version}.")
    if report.kind != "skops":
        click.echo("A pickle can run code when it is loaded. This one would import and may call:")
    elif report.imports:
        click.echo("A skops file runs what its types do. These are not known to be harmless:")
    else:
        click.echo("A skops file, with nothing in it but types that are known to be harmless.")
    for imported in report.imports:
        click.echo(f"  {imported}")
    if report.note:
        click.echo(f"  and more that cannot be listed: {report.note}")
    return report.runs_code


def bring(store: Store, pickled: Pickle) -> "Succession":
    """Load the file, which RUNS a pickle, and save it as a version. Raises PupilaError.

    Without a spec, the one that fits the labelled images to check with is taken; with one that fits
    them less than another, nothing is saved.
    """
    from models.offline.checking import Checked, Known
    from models.offline.succession import save

    with ExitStack() as stack:
        loaded = None if pickled.version else _loaded(pickled)
        if loaded is not None and pickled.check is not None and pickled.check.is_dir():
            pickled = _fitted(pickled, loaded)
        spec = _spec(pickled)
        known = None
        if pickled.check is not None:
            known = Known.read(pickled.check, spec, pickled.accuracy)
        if loaded is None:
            unsaved = _elsewhere(stack, pickled, spec)
        else:
            unsaved = _here(pickled, spec, loaded)
        checked = Checked(unsaved, known) if known is not None else None
        wanted = checked or unsaved
        if pickled.source is not None:
            wanted = Sourced(wanted, pickled.source)
        try:
            saved = save(store, wanted)
        except ConversionError as error:
            if checked is not None and isinstance(error, ParityError):
                raise
            raise type(error)(_with_way_out(str(error), unsaved)) from error
    if checked is not None:
        click.echo(checked.said)
    if saved.version.manifest.gives_probabilities:
        sets = saved.version.manifest.honesty
        click.echo(
            "Its probabilities are as they were made, not calibrated here; "
            + (
                f"it gives prediction sets, by {sets.images:,} labelled images."
                if sets is not None
                else "for prediction sets, --check true labels with --accuracy."
            )
        )
    return saved


def _spec(pickled: Pickle) -> ImageSpec:
    if pickled.spec is not None:
        return pickled.spec
    other = (
        "" if pickled.version else ", or give --check a folder of labelled images, which tell it"
    )
    raise SpecError(
        f"Nothing in {pickled.path.name} says how images became its features: name its "
        f"--image-spec{other}."
    )


def _fitted(pickled: Pickle, loaded: "LoadedPickle") -> Pickle:
    """With the spec that fits the images to check with. Raises SpecError."""
    from models.offline.checking import SHARE
    from models.offline.labelled import read_labelled
    from models.offline.spec_search import MIN_IMAGES, search_spec, try_spec

    assert pickled.check is not None  # noqa: S101 - for the type checker
    images = read_labelled(pickled.check)
    given = pickled.spec
    if given is not None:
        fit = try_spec(loaded.estimator, loaded.labels, images, given)
        if fit is not None and fit.share < SHARE and len(images) >= MIN_IMAGES:
            search_spec(loaded.estimator, loaded.labels, images, given).confirmed(given)
        return pickled
    fits = search_spec(loaded.estimator, loaded.labels, images)
    pickled = replace(pickled, spec=fits.chosen())
    click.echo(fits.told())
    if pickled.accuracy is None and fits.best.share < SHARE:
        # The labels are the true ones: they tell which spec fits, and not what the original says.
        return replace(pickled, check=None)
    return pickled


def _elsewhere(stack: ExitStack, pickled: Pickle, spec: ImageSpec) -> "Unsaved":
    from models.offline.elsewhere import converted

    if pickled.backend == "sklearn":
        raise PickleError(
            "--with-scikit-learn makes a graph, since the estimator itself would be served by the "
            "scikit-learn that is here: leave out --backend sklearn."
        )
    click.echo(f"Converting it by scikit-learn {pickled.version}, in an environment of its own ...")
    unsaved, lines = stack.enter_context(
        converted(
            pickled.path,
            pickled.name,
            spec.name,
            pickled.entry,
            str(pickled.version),
            trust=pickled.trust,
        )
    )
    for line in lines:
        click.echo(line)
    return unsaved


def _loaded(pickled: Pickle) -> "LoadedPickle":
    from models.offline.pickles import load

    said = pickled.source.scikit_learn if pickled.source else None
    loaded = load(pickled.path, pickled.entry, trust=pickled.trust, saved_by=said)
    for warning in loaded.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if loaded.said:
        click.echo(loaded.said)
    return loaded


def _here(pickled: Pickle, spec: ImageSpec, loaded: "LoadedPickle") -> "Unsaved":
    from models.offline.adoption import adopt
    from models.offline.provenance import check_proven, check_releases

    if pickled.check is None:
        check_proven(pickled.path.name, loaded.estimator, loaded.foreign)
        check_releases(pickled.path, loaded.estimator)
    candidate = adopt(loaded.estimator, pickled.name, spec, pickled.backend, loaded.labels)
    if pickled.backend == "onnx":
        click.echo("Converting it to ONNX and comparing the predictions of both ...")
    return candidate


def _with_way_out(sentence: str, unsaved: "Unsaved") -> str:
    """A refusal to convert, with what works instead, if that can be saved."""
    from models.offline.candidate import Candidate
    from models.offline.estimator import dump_estimator

    if not isinstance(unsaved, Candidate) or unsaved.backend == "sklearn":
        return sentence
    if not sentence.endswith("."):
        return sentence
    try:
        dump_estimator(unsaved.estimator)
    except ConversionError:
        return sentence
    return f"{sentence[:-1]}; --backend sklearn serves the estimator itself."
