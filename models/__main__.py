"""``python -m models``: list, show, compare, delete, verify, sign, export, import, back up."""

from pathlib import Path

import click

import cli
from errors import UnknownVersionError
from models.backup_commands import backup, restore
from models.comparison import compare
from models.import_commands import import_
from models.kinds import lacking
from models.lineage import check_unused, history, open_store, promote, rollback
from records.current import champions


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
        raise UnknownVersionError(lacking(name, store.roots))
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


main.add_command(import_)

if __name__ == "__main__":
    main()
