"""``python -m score``: from images to a Parquet file of predictions."""

from pathlib import Path

import click

import cli
from errors import ScoreError


@click.command(cls=cli.Command, context_settings={"show_default": True, "max_content_width": 100})
@click.argument("images", metavar="FOLDER_OR_PARQUET", type=click.Path(path_type=Path))
@click.option(
    "--model",
    default="clf",
    metavar="TAG",
    help="The version to use: clf for its champion, clf:challenger, or clf:abc123. It is fixed for "
    "the whole run.",
)
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The Parquet file to write.",
)
@click.option(
    "--image-column",
    default="image",
    metavar="NAME",
    help="For Parquet: the column of images, binary or structs with bytes.",
)
@click.option(
    "--id-column",
    metavar="NAME",
    help="For Parquet: the column of ids.  [default: the row number]",
)
@click.option(
    "--probabilities", is_flag=True, help="Add a column with the probability of each label."
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Score on the Dask cluster with this scheduler, such as tcp://10.0.0.5:8786. Images are "
    "read on this machine and sent.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace an existing FILE, once scoring is complete."
)
def main(
    images: Path,
    model: str,
    out: Path,
    image_column: str,
    id_column: str | None,
    probabilities: bool,
    dask: str | None,
    overwrite: bool,
) -> None:
    """Score all images of a folder or of Parquet files with a version from the model store.

    The output has one row per image, in order: id, prediction, version, and the error of an image
    that is not readable. To continue an interrupted run, run the same command again.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ScoreError(
            "Scoring needs the package pyarrow; install it with: "
            "pip install -r requirements/score.txt"
        ) from None

    from rich.console import Console

    from models.lineage import open_store
    from score.progress import progress
    from score.run import Options, score

    options = Options(images, out, model, image_column, id_column, probabilities, dask, overwrite)
    store = open_store()
    with progress(Console(stderr=True, highlight=False, markup=False)) as on_progress:
        report = score(options, store, on_progress)
    failed = f", {report.errors:,} of them without a prediction" if report.errors else ""
    click.echo(f"{out}: {report.rows:,} images scored with {report.version}{failed}.")


if __name__ == "__main__":
    main(prog_name="python -m score")
