"""The process of a retraining: assembles the data, trains, checks, and saves the version.

In a process of its own, so that its memory has a limit and its end frees all of it. It ends with
the process that started it: the pipe on its standard input closes then, however that one died.
"""

import os
import resource
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import click

from errors import PipelineError, PupilaError, RolloutError
from models.manifest import Manifest
from models.offline.candidate import Candidate
from models.reference import Reference
from models.store import Store
from models.version import Version
from pipeline.data import Rules, assemble
from pipeline.order import Answer, Order, data_name
from pipeline.recipe import recipe_of
from records.database import Database
from records.leases import holder
from settings import settings
from train.augmenting import Variants, variants_of
from train.auto_recipe import choose
from train.dataset import Split
from train.effort import Size
from train.embedding import embedded
from train.fit import train_parts
from train.scenes import in_scenes

_FAILED = 3


@dataclass(frozen=True)
class Guarded:
    """A candidate that is only saved by whoever still has the lease: another process may have
    taken over, and be saving the same."""

    candidate: Candidate
    database: Database
    lease: str
    owner: str

    @property
    def name(self) -> str:
        return self.candidate.name

    def write(self, folder: Path) -> Manifest:
        manifest = self.candidate.write(folder)
        holding = holder(self.database, self.lease)
        if holding is None or holding[0] != self.owner:
            raise PipelineError("Another process has taken over this retraining.")
        return manifest


def retrain(database: Database, store: Store, order: Order) -> tuple[Version, str]:
    """The new version, saved, and a sentence on its data. Raises PupilaError."""
    champion = store.get(order.champion)
    manifest = champion.manifest
    recipe = recipe_of(champion, order.recipe)
    if recipe is None:
        raise PipelineError(
            f"{champion.tag} was not made by a recipe: choose one with --recipe, such as svc."
        )
    click.echo(f"Assembling the data to retrain {champion.tag} ...", err=True)
    data = assemble(
        database,
        store,
        champion,
        Rules.of(settings()),
        recipe=recipe,
        accept_new_classes=order.accept_new_classes,
    )
    parts, whole = data.split(data_name(order.retraining))
    if not len(parts.holdout):
        raise PipelineError(
            f"No image is left to judge a retraining of {champion.tag} by: its holdout was deleted "
            "or is damaged, and no labelled record was drawn at random to be held out."
        )
    seed = manifest.data.seed if manifest.data else 0
    extractor = champion.artifact.extractor()
    variants: Variants | None = None
    if extractor is not None:
        # Bursts of production are neither in two folds nor several photos of an interval.
        parts = Split(
            in_scenes(embedded(parts.train, extractor)),
            in_scenes(embedded(parts.holdout, extractor)),
        )
        if manifest.augmented:
            variants = variants_of(parts.train, extractor, seed)
    features = whole.spec.n_features if extractor is None else extractor.manifest.dimension
    size = Size(len(parts.train), features, len(parts.train.labels))
    for note in choose(size, recipe).notes:
        click.echo(note, err=True)
    click.echo(f"Training {recipe} on {len(parts.train):,} images ...", err=True)
    result = train_parts(
        parts,
        whole,
        recipe,
        champion.name,
        seed=seed,
        parameters=manifest.parameters if recipe == manifest.recipe else {},
        plan=order.plan,
        backend=manifest.backend,
        parent=champion.tag,
        extractor=extractor,
        variants=variants,
        abstain=manifest.abstain,
    )
    click.echo("Converting, checking and saving ...", err=True)
    candidate = _with_sizes(result.candidate, champion)
    candidate = replace(candidate, augmented=manifest.augmented)
    version = store.save(Guarded(candidate, database, order.lease, order.owner), images=data.images)
    _track(version, order)
    accuracy = result.metrics.accuracy.value
    return version, (
        f"{len(parts.train):,} images, {data.from_records:,} of them from records; "
        f"{accuracy:.1%} on {len(parts.holdout):,} held-out images"
    )


def _track(version: Version, order: Order) -> None:
    known = settings()
    uri = known.mlflow_tracking_uri
    if uri is None:
        return
    from rollout.tracking import track_training

    try:
        track_training(uri, version, order.reason, known.mlflow_authorization)
    except RolloutError as error:
        # The version is worth more than a note of it elsewhere.
        click.echo(f"Warning: {error}", err=True)


def _with_sizes(candidate: Candidate, champion: Version) -> Candidate:
    """With the sizes of the champion's training files, of which only the pixels may be left."""
    before = Reference.load(champion.artifact)
    if candidate.reference is None or before is None:
        return candidate
    return replace(candidate, reference=replace(candidate.reference, sizes=before.sizes))


def _limit_memory(limit: int | None) -> None:
    # Only Linux has one that fits; see models.limits.
    if limit is not None and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_parent() -> None:
    """Not through ``sys.stdin``: at the interpreter's end, a thread must not hold its lock."""

    def wait() -> None:
        os.read(0, 1)
        os._exit(_FAILED)

    threading.Thread(target=wait, daemon=True).start()


def _line() -> bytes:
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return bytes(line)


def main() -> None:
    order = Order.load(_line())
    _end_with_parent()
    os.nice(5)
    _limit_memory(order.memory)
    try:
        with order.open_database() as database:
            version, detail = retrain(database, order.open_store(), order)
        answer = Answer(version.version, detail)
    except PupilaError as error:
        answer = Answer(error=str(error))
    except MemoryError:
        limit = order.memory or 0
        answer = Answer(error=f"It needs more than {limit // 2**20:,} MiB of memory.")
    sys.stdout.write(answer.dump())
    sys.exit(0 if answer.error is None else _FAILED)


if __name__ == "__main__":
    main()
