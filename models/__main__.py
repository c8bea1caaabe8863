"""``python -m models``: list, show, compare, delete, verify, sign, export, import, back up."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import cli
from errors import PickleError, UnknownVersionError
from models.backup_commands import backup, restore
from models.comparison import compare
from models.lineage import check_unused, history, open_store, promote, rollback
from models.names import RULE, is_name, no_model
from records.current import champions

if TYPE_CHECKING:
    from models.artifact import Artifact
    from models.offline.succession import Succession


@click.group(cls=cli.Group)
def main() -> None:
    """Manage the versions in the BentoML model store.

    TAG is a version, such as clf:abc123, clf:champion or clf:challenger, or a model's name for its
    champion, such as clf.
    """


for command in (compare, promote, rollback, history, backup, restore):
    main.add_command(command)


@main.command(name="list")
@click.argument("name", required=False)
def list_(name: str | None) -> None:
    """List the versions of one model, or of all models."""
    from models.listing import version_lines

    store = open_store()
    versions = store.versions(name)
    if name is not None and not versions:
        raise UnknownVersionError(no_model(name))
    if not versions:
        click.echo("The store has no versions; train one with: python -m train")
        return
    routings = champions()
    trials = {f"{one.model}:{one.challenger}": one for one in routings.values() if one.challenger}
    aliases = dict.fromkeys(trials, "challenger")
    aliases |= {version.tag: "champion" for version in store.champions()}
    rollouts = {tag: one.rollout for tag, one in trials.items() if one.rollout}
    click.echo("\n".join(version_lines(versions, aliases, rollouts)))


@main.command()
@click.argument("tag")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def show(tag: str, as_json: bool) -> None:
    """Show a version's manifest."""
    store = open_store()
    version = store.get(tag)
    if as_json:
        click.echo(version.manifest.model_dump_json(indent=2))
        return

    from models.report import version_tables
    from models.signing import signed_by

    console = cli.console()
    for table in version_tables(version, signed_by(version, store.trusted)):
        console.print(table)


@main.command()
@click.argument("tag")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(tag: str, yes: bool) -> None:
    """Delete one version; running servers drop it when they next check the store."""
    store = open_store()
    version = store.get(tag)
    check_unused(version)
    if not yes:
        click.confirm(f"Delete {version.tag}?", abort=True)
        check_unused(version)
    store.delete(version)
    click.echo(f"Deleted {version.tag}.")


@main.command()
@click.argument("tag")
def verify(tag: str) -> None:
    """Check a version's files, signature and predictions."""
    from models.offline.trial import try_apart

    version = open_store().get(tag)
    try_apart(version.artifact)
    click.echo(f"{version.tag} is as it was saved.")


@main.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
def keygen(path: Path) -> None:
    """Make a pair of keys: PATH to sign versions, and PATH.pub to check them."""
    from models.signature import PrivateKey

    public = PrivateKey.generate().write(path)
    click.echo(f"Keep {path} secret. Give {public} to servers, in PUPILA_TRUSTED_KEYS.")


@main.command()
@click.argument("tag")
@click.option(
    "--key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Private key in PEM, as keygen makes it.",
)
def sign(tag: str, key: Path) -> None:
    """Sign a version, so that servers that trust the key serve it."""
    from models.signature import PrivateKey
    from models.signing import sign as sign_version

    store = open_store()
    version = store.get(tag)
    public = sign_version(store, version, PrivateKey.read(key))
    click.echo(f"Signed {version.tag} with the key {public.fingerprint[:12]}.")


@main.command()
@click.argument("tag")
@click.argument("path", type=click.Path(path_type=Path))
def export(tag: str, path: Path) -> None:
    """Write a version to a file that `import` reads on another machine."""
    from models.archive import export_version

    store = open_store()
    version = store.get(tag)
    click.echo(f"Exported {version.tag} to {export_version(store, version, path)}")


@main.command(name="import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="Model name of the new version; only for a pickle.")
@click.option(
    "--image-spec",
    help="How its training images became features: digits, gray-<W>x<H>, rgb-<W>x<H>, each with "
    "options such as :0-255; only for a pickle.  [default: what fits the folder of --check]",
)
@click.option("--trust", is_flag=True, help="Load the pickle, which can run any code.")
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
def import_(path: Path, name: str | None, image_spec: str | None, trust: bool, **how: Any) -> None:
    """Import a file that `export` wrote, or a pickled scikit-learn classifier."""
    if path.suffix == ".bentomodel":
        others = (how[one] for one in how if one != "backend")
        if name or image_spec or trust or any(one is not None for one in others):
            raise click.UsageError(
                "--name, --image-spec, --trust, --entry, --with-scikit-learn, --check and "
                "--accuracy are only for a pickle: leave them out."
            )
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
        return
    if name is None:
        raise click.UsageError("A pickle needs --name and --image-spec.")
    if not is_name(name):
        raise click.BadParameter(f"{RULE}.", param_hint="--name")
    if how["accuracy"] is not None and how["check"] is None:
        raise click.UsageError("--accuracy needs --check.")
    _import_pickle(path, name, image_spec, trust, how)


def _import_pickle(
    path: Path, name: str, image_spec: str | None, trust: bool, how: dict[str, Any]
) -> None:
    from images.spec import ImageSpec
    from models.bringing import Pickle, bring, show

    spec = None if image_spec is None else ImageSpec.parse(image_spec)
    if spec is None and how["check"] is None:
        raise click.UsageError(
            "A pickle needs --image-spec, since nothing in it says how images became its features; "
            "or --check with a folder of labelled images, which tell the one that fits."
        )
    show(path)
    if not trust:
        raise PickleError(
            "Nothing was loaded; if you trust where this file comes from, add --trust."
        )
    saved = bring(open_store(), Pickle(path, name, spec, **how))
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


def _print_imported(saved: "Succession", kind: str = "") -> None:
    click.echo(f"Imported {saved.version.tag}{kind}")
    if saved.failure is not None:
        click.echo(f"Warning: {saved.failure}", err=True)
    for line in saved.lines:
        click.echo(line)


if __name__ == "__main__":
    main()
