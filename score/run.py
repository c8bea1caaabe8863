"""One run of scoring: started, or continued where it was killed, until the output is complete."""

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
"""Called with (done, total); ``done`` includes what an earlier process did."""


@dataclass(frozen=True)
class Options:
    """The options of the command line."""

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
    """The result: ``errors`` of the ``rows`` have no prediction.

    An earlier process did ``resumed`` of them.
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
    """Score every image of the input, then publish the output with one rename.

    Continues what an earlier process did of the same run. Raises ScoreError if the output exists,
    or if input, version or options differ from those the run was started with; ClusterError; and
    what the store raises for a version that does not exist or cannot be used.
    """
    _check_out(options)
    source = open_input(options.input, options.image_column, options.id_column)
    summary = source.summary()
    with closing(Parts(options.out)) as parts:
        started = parts.run()
        version = store.get(_pinned(started, options, store))
        manifest = version.manifest
        if options.probabilities and not manifest.gives_probabilities:
            raise ScoreError(
                f"{version.tag} gives no probabilities: leave --probabilities out, or choose "
                "another version."
            )
        results = Results(manifest, version.tag, source.id_type, options.probabilities)
        run = _describe(options, version, summary)
        with closing(_engine(options, version)) as engine:
            if started is None:
                parts.start(run)
            else:
                _check_same(started, run, parts.path)
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
        raise ScoreError(f"{out} cannot be written: the folder {out.parent} does not exist.")
    if out.is_dir():
        raise ScoreError(
            f"{out} is a folder; choose a file in it, such as {out / 'results.parquet'}."
        )
    if out.exists() and not options.overwrite:
        raise ScoreError(f"{out} already exists; choose another --out, or add --overwrite.")
    home = options.input.resolve()
    if home == out.resolve() or (home.is_dir() and out.resolve().is_relative_to(home)):
        raise ScoreError(
            f"{out} is inside of the input and would become a part of it; choose another --out."
        )


def _pinned(started: Run | None, options: Options, store: Store) -> str:
    """The tag to use: an alias keeps the version that it had when the run was started."""
    if started is None or started.asked != options.model:
        return store.get(options.model).tag
    if started.version not in {version.tag for version in store.versions()}:
        raise ScoreError(
            f"The run into {options.out} was started with {started.version}, which is no longer in "
            f"the store; import it again, or delete the folder of its parts to start over."
        )
    return started.version


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


def _check_same(started: Run, run: Run, path: Path) -> None:
    another_input = "another input, or one that has changed since"
    descriptions = {
        "rows": another_input,
        "input_sha256": another_input,
        "version": f"the version {started.version}",
        "image_column": f"the image column {started.image_column}",
        "id_column": f"the id column {started.id_column}" if started.id_column else "no id column",
        "probabilities": f"{'' if started.probabilities else 'no '}probabilities",
        "max_image_pixels": f"a limit of {started.max_image_pixels} pixels",
    }
    for field, description in descriptions.items():
        if getattr(started, field) != getattr(run, field):
            raise ScoreError(
                f"{path} contains a run with {description}; continue with the same, or delete it "
                "to start over."
            )


def _check_unchanged(source: Source, summary: Summary, path: Path) -> None:
    if source.summary() != summary:
        raise ScoreError(
            "The input changed while it was scored, so rows may be missing; delete "
            f"{path} and start over while nothing changes the input."
        )
