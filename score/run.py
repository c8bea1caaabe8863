"""One run of scoring: begun, or gone on with where it was killed, until the output is there."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from errors import ScoreError
from models.store import Store
from models.version import Version
from score.inputs import open_input
from score.local import LocalEngine
from score.parts import Parts, Run
from score.results import Results
from score.scorer import Scorer
from score.source import CHUNK_ROWS, Source, Summary, chunks
from settings import settings

if TYPE_CHECKING:
    from score.spread import DaskEngine

OnProgress = Callable[[int, int], None]
"""Called with (done, total); first with what an earlier process had done."""


@dataclass(frozen=True)
class Options:
    """What is asked for, as on the command line."""

    input: Path
    out: Path
    model: str = "clf"
    image_column: str = "image"
    id_column: str | None = None
    probabilities: bool = False
    dask: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Report:
    """What came of it: ``rows`` in all, of them ``errors`` without a prediction.

    ``resumed`` rows were done by an earlier process.
    """

    version: str
    rows: int
    errors: int
    resumed: int


def score(
    options: Options,
    store: Store,
    on_progress: OnProgress = lambda _done, _total: None,
    chunk_rows: int = CHUNK_ROWS,
) -> Report:
    """Score every image of the input and write the output, whole and at once.

    What another process had done of the same run is kept. Raises ScoreError if the output exists,
    or input, version or options are not those that the run was begun with; ClusterError; and what
    the store raises for a version that it does not have or that may not answer.
    """
    _check_out(options)
    source = open_input(options.input, options.image_column, options.id_column)
    summary = source.summary()
    with closing(Parts(options.out)) as parts:
        begun = parts.run()
        version = store.get(_pinned(begun, options, store))
        manifest = version.manifest
        if options.probabilities and not manifest.gives_probabilities:
            raise ScoreError(
                f"{version.tag} gives no probabilities: leave --probabilities out, or choose "
                "another version."
            )
        results = Results(manifest, version.tag, source.id_type, options.probabilities)
        run = _describe(options, version, summary)
        with closing(_engine(options, version)) as engine:
            if begun is None:
                parts.begin(run)
            else:
                _check_same(begun, run, parts.path)
            gaps = parts.gaps(summary.rows)
            resumed = done = summary.rows - sum(gap.end - gap.first for gap in gaps)
            on_progress(done, summary.rows)
            with closing(engine.answers(chunks(source, gaps, chunk_rows))) as answered:
                for chunk, answers in answered:
                    parts.write(chunk.first, results.table(chunk, answers))
                    done += len(chunk.images)
                    on_progress(done, summary.rows)
        _check_unchanged(source, summary, parts.path)
        errors = parts.finish(results.schema, summary.rows)
    return Report(version.tag, summary.rows, errors, resumed)


def _engine(options: Options, version: Version) -> "LocalEngine | DaskEngine":
    max_pixels = settings().max_image_pixels
    if options.dask is None:
        return LocalEngine(Scorer(version.artifact, max_pixels, options.probabilities))
    from score.spread import DaskEngine

    return DaskEngine(options.dask, version, max_pixels, options.probabilities)


def _check_out(options: Options) -> None:
    out = options.out
    if not out.parent.is_dir():
        raise ScoreError(f"There is no folder {out.parent} to write {out.name} into.")
    if out.is_dir():
        raise ScoreError(
            f"{out} is a folder; name a file in it, such as {out / 'results.parquet'}."
        )
    if out.exists() and not options.overwrite:
        raise ScoreError(f"{out} exists already; choose another --out, or add --overwrite.")
    home = options.input.resolve()
    if home == out.resolve() or (home.is_dir() and out.resolve().is_relative_to(home)):
        raise ScoreError(
            f"{out} is inside of what is scored, and would become a part of it; choose another "
            "--out."
        )


def _pinned(begun: Run | None, options: Options, store: Store) -> str:
    """The version to use: what an alias meant when the run was begun is what it means in it."""
    if begun is None or begun.asked != options.model:
        return store.get(options.model).tag
    if begun.version not in {version.tag for version in store.versions()}:
        raise ScoreError(
            f"The run into {options.out} was begun with {begun.version}, which the store no longer "
            f"has; import it again, or delete the parts beside {options.out.name} to begin anew."
        )
    return begun.version


def _describe(options: Options, version: Version, summary: Summary) -> Run:
    return Run(
        asked=options.model,
        version=version.tag,
        rows=summary.rows,
        input_sha256=summary.sha256,
        image_column=options.image_column,
        id_column=options.id_column,
        probabilities=options.probabilities,
        max_image_pixels=settings().max_image_pixels,
    )


def _check_same(begun: Run, run: Run, path: Path) -> None:
    differences = {
        "another input, or one that has changed since": (begun.rows, begun.input_sha256)
        != (run.rows, run.input_sha256),
        f"the version {begun.version}": begun.version != run.version,
        f"the image column {begun.image_column}": begun.image_column != run.image_column,
        f"the id column {begun.id_column}" if begun.id_column else "no id column": begun.id_column
        != run.id_column,
        f"{'' if begun.probabilities else 'no '}probabilities": begun.probabilities
        != run.probabilities,
        f"a limit of {begun.max_image_pixels} pixels": begun.max_image_pixels
        != run.max_image_pixels,
    }
    for what, differs in differences.items():
        if differs:
            raise ScoreError(
                f"{path} holds a run with {what}; go on with the same, or delete it to begin anew."
            )


def _check_unchanged(source: Source, summary: Summary, path: Path) -> None:
    if source.summary() != summary:
        raise ScoreError(
            "The input changed while it was scored, so rows may be missing; let nothing change it, "
            f"delete {path} and begin anew."
        )
