"""``python -m models import``: what another store, another program or MLflow has."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

import cli
from errors import PickleError, SpecError
from models.lineage import open_store
from models.names import RULE, is_name
from models.source import is_uri

if TYPE_CHECKING:
    from images.spec import ImageSpec
    from models.artifact import Artifact
    from models.offline.succession import Succession
    from models.offline.taking import Registry, Taken

_HUB: Final = ("hf:", "https://huggingface.co/", "http://huggingface.co/")


class Where(click.Path):
    """A file or folder that exists, or a model of an MLflow server; a text."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value)
        if is_uri(text):
            return text
        if text.startswith(_HUB):
            self.fail(
                "Models of the Hugging Face Hub are imported from a folder: download it with `hf "
                "download OWNER/NAME --local-dir FOLDER`, and import FOLDER.",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


@click.command(name="import", cls=cli.Command)
@click.argument("path", type=Where(exists=True))
@click.option(
    "--name",
    help="Model name of the new version.  [default: that of a registered model of MLflow]",
)
@click.option(
    "--image-spec",
    help="How its training images became features: digits, gray-<W>x<H>, rgb-<W>x<H>, each with "
    "options such as :0-255.  [default: what fits the folder of --check]",
)
@click.option("--trust", is_flag=True, help="Load a pickle, which can run any code.")
@click.option(
    "--backend",
    type=click.Choice(["onnx", "sklearn"]),
    default="onnx",
    show_default=True,
    help="onnx serves the graph; sklearn the estimator itself, if it cannot be converted.",
)
@click.option("--entry", help="Which classifier, in a pickle of a dict or tuple of several.")
@click.option(
    "--with-scikit-learn",
    "version",
    metavar="VERSION",
    help="Convert it by that version, in a throw-away environment.",
)
@click.option(
    "--check",
    type=click.Path(exists=True, path_type=Path),
    help="What the original said of some images: a folder with one sub-folder per label, or an "
    ".npz of pixels or features, and labels. A version that says otherwise is not saved.",
)
@click.option(
    "--accuracy",
    type=click.FloatRange(0, 1),
    help="The labels of --check are the true ones, and the original has this share right.",
)
@click.option(
    "--tracking-uri",
    metavar="URL",
    help="The MLflow server that has models:/… and runs:/….  [default: MLFLOW_TRACKING_URI]",
)
def import_(
    path: str, name: str | None, image_spec: str | None, tracking_uri: str | None, **how: Any
) -> None:
    """Import a file that `export` wrote, or a scikit-learn classifier.

    PATH is a pickle, a joblib or skops file, a folder of MLflow or of the Hugging Face Hub, or a
    model of an MLflow server, such as models:/digits@champion or runs:/RUN/model.
    """
    if path.endswith(".bentomodel") and not is_uri(path):
        others = (how[one] for one in how if one not in ("backend", "trust"))
        if name or image_spec or how["trust"] or any(one is not None for one in others):
            raise click.UsageError(
                "--name, --image-spec, --trust, --entry, --with-scikit-learn, --check and "
                "--accuracy are only for a pickle: leave them out."
            )
        _import_version(Path(path))
        return
    if name is None and not is_uri(path):
        raise click.UsageError("A pickle needs --name and --image-spec.")
    if name is not None and not is_name(name):
        raise click.BadParameter(f"{RULE}.", param_hint="--name")
    if how["accuracy"] is not None and how["check"] is None:
        raise click.UsageError("--accuracy needs --check.")
    if tracking_uri is not None and not is_uri(path):
        raise click.UsageError("--tracking-uri is only for models:/… and runs:/…: leave it out.")
    from models.offline.taking import take

    with take(path, _registry(path, tracking_uri)) as taken:
        for line in taken.lines:
            click.echo(line)
        name = name or taken.name
        if name is None:
            raise click.UsageError(f"{path} needs a --name: {RULE}.")
        _import_estimator(taken, name, image_spec, how)


def _registry(path: str, tracking_uri: str | None) -> "Registry":
    from models.offline.taking import Registry
    from settings import settings

    if not is_uri(path):
        return Registry()
    known = settings()
    return Registry(tracking_uri or known.mlflow_tracking_uri, known.mlflow_authorization)


def _import_version(path: Path) -> None:
    from models.archive import import_version
    from models.offline.succession import succeed
    from models.offline.trial import try_apart
    from models.version import Version

    store = open_store()

    def importing(written: Callable[[Version], object]) -> Version:
        def check(artifact: "Artifact") -> None:
            try_apart(artifact)
            folder = artifact.path
            written(Version(artifact.manifest.name, folder.name, folder, store.trusted))

        return import_version(store, path, check)

    _print_imported(succeed(store, importing))


def _import_estimator(
    taken: "Taken", name: str, image_spec: str | None, how: dict[str, Any]
) -> None:
    from models.bringing import Pickle, bring, show

    spec = _spec(taken, image_spec, how["check"] is not None)
    runs_code = show(taken.path)
    if runs_code and not how["trust"]:
        raise PickleError(
            "Nothing was loaded; if you trust where this file comes from, add --trust."
        )
    saved = bring(open_store(), Pickle(taken.path, name, spec, taken.source, **how))
    version, manifest = saved.version, saved.version.manifest
    if manifest.parity is not None:
        click.echo(
            f"{manifest.parity.images} images: {manifest.parity.disagreements} labels differ, "
            f"largest difference {manifest.parity.max_difference:.1e}."
        )
    if manifest.without_estimator is not None:
        click.echo(
            "Warning: It is served by its graph; the estimator is not kept, so keep the pickle. "
            f"{manifest.without_estimator}",
            err=True,
        )
    if manifest.speed is not None and manifest.speed.warning:
        click.echo(f"Warning: {manifest.speed.warning}", err=True)
    _print_imported(saved, f" ({manifest.output}, {len(manifest.labels)} labels)")
    asked = version.name if saved.answers else version.tag
    request = f'Request it with "model": "{asked}".'
    if how["check"] is None:
        request += (
            f" Try a known image first: that {manifest.image_spec.name} is how its training images "
            "became features cannot be checked here."
        )
    click.echo(request)


def _spec(taken: "Taken", image_spec: str | None, is_checked: bool) -> "ImageSpec | None":
    """The one that was named, or that its maker wrote down; None to find it by the images to
    check with. Raises SpecError if the classifier is said to take another number of features."""
    from images.spec import ImageSpec

    described = taken.described
    features = described.features
    written = described.spec if image_spec is None else None
    if written is not None:
        click.echo(f"Its image spec is {written}, as its metadata says.")
    text = image_spec or written
    if text is not None:
        spec = ImageSpec.parse(text)
        if features is not None and features != spec.n_features:
            raise SpecError(
                f"The classifier takes {features:,} features, as is written beside it, but image "
                f"spec {spec.name} gives {spec.n_features:,}: choose the spec that it was trained "
                "with."
            )
        return spec
    if is_checked:
        return None
    beside = f" It takes {features:,} features." if features is not None else ""
    raise click.UsageError(
        "A pickle needs --image-spec, since nothing in it says how images became its features; or "
        f"--check with a folder of labelled images, which tell the one that fits.{beside}"
    )


def _print_imported(saved: "Succession", kind: str = "") -> None:
    click.echo(f"Imported {saved.version.tag}{kind}")
    if saved.failure is not None:
        click.echo(f"Warning: {saved.failure}", err=True)
    for line in saved.lines:
        click.echo(line)
