"""Scoring on a real Dask cluster of two processes that do not have Pupila."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster

from errors import ClusterError, PupilaError
from models.manifest import Manifest
from models.store import Store
from models.version import Version
from score import spread
from score.run import Options, score
from tests.drafts import LinearDraft
from tests.extractors import saved_photos_version
from tests.score.scoring import folder, run

IMAGES = 60


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler; its workers start in a folder without our modules."""
    home = tmp_path_factory.mktemp("elsewhere")
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=0, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as scheduler:
        address = str(scheduler.scheduler_address)
        options = (
            "--no-nanny",
            "--no-dashboard",
            "--nthreads",
            "1",
            "--local-directory",
            str(home),
        )
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, *options]
        log = home / "workers.log"
        with log.open("wb") as stderr:
            workers = [subprocess.Popen(command, cwd=home, stderr=stderr) for _ in range(2)]
        try:
            with Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
                client.wait_for_workers(2, timeout=30)
            yield address
        finally:
            if any(worker.poll() is not None for worker in workers):
                sys.stderr.write(log.read_text(encoding="utf-8"))
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait()


def on_workers(address: str, function: Any) -> list[Any]:
    with Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        return list(client.run(function).values())


def test_the_output_is_the_same_as_without_a_cluster(
    store: Store, tmp_path: Path, cluster: str
) -> None:
    images = folder(tmp_path / "images", IMAGES)
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    run(store, images, here, probabilities=True)
    report = run(store, images, there, probabilities=True, dask=cluster)
    assert there.read_bytes() == here.read_bytes()
    assert (report.rows, report.errors) == (IMAGES, 1)

    def found() -> tuple[bool, bool]:
        import importlib.util
        import sys

        spec = importlib.util.find_spec("models")
        return spec is None, "_pupila_scorers" in sys.modules

    # Dask decides which worker gets a chunk: it may give all of them to one.
    without, scored = zip(*on_workers(cluster, found), strict=True)
    assert all(without)
    assert any(scored)


def test_a_run_continues_where_the_cluster_stopped(
    store: Store, tmp_path: Path, cluster: str
) -> None:
    class Killed(BaseException):
        pass

    def advance(done: int, _total: int) -> None:
        if done >= 24:
            raise Killed

    images = folder(tmp_path / "images", IMAGES)
    out, whole = tmp_path / "results.parquet", tmp_path / "whole.parquet"
    with pytest.raises(Killed):
        score(Options(images, out, dask=cluster), store, advance, chunk_rows=8)
    assert run(store, images, out, dask=cluster).resumed == 24
    run(store, images, whole)
    assert out.read_bytes() == whole.read_bytes()


def test_another_version_is_scored_by_the_same_workers(
    store: Store, tmp_path: Path, cluster: str
) -> None:
    images = folder(tmp_path / "images", IMAGES)
    store.save(LinearDraft(seed=5, name="other", labels=("a", "b")))
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    run(store, images, here, model="other")
    run(store, images, there, model="other", dask=cluster)
    assert there.read_bytes() == here.read_bytes()


def test_a_version_with_an_extractor_takes_it_along(
    store: Store, tmp_path: Path, cluster: str
) -> None:
    images = folder(tmp_path / "images", IMAGES)
    saved_photos_version(store)
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    run(store, images, here, model="colors", probabilities=True)
    report = run(store, images, there, model="colors", probabilities=True, dask=cluster)
    assert there.read_bytes() == here.read_bytes()
    assert (report.rows, report.errors) == (IMAGES, 1)


def test_a_failure_on_a_worker_is_one_sentence(
    store: Store, tmp_path: Path, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "MODULES", ("errors.py",))
    with pytest.raises(ClusterError, match="could not score: No module named 'models'") as error:
        run(store, folder(tmp_path / "images", 9), tmp_path / "out.parquet", dask=cluster)
    assert "\n" not in str(error.value)


def test_a_cluster_that_does_not_exist(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(PupilaError, match="cannot be reached"):
        run(store, folder(tmp_path / "images", 9), out, dask="tcp://127.0.0.1:1")
    assert not (tmp_path / "out.parquet.parts").exists()


class Estimated(Version):
    """A version that is served by its estimator."""

    @property
    def manifest(self) -> Manifest:
        return super().manifest.model_copy(update={"backend": "sklearn"})


def test_an_estimator_is_not_sent(store: Store) -> None:
    version = store.champion("clf")
    estimated = Estimated(version.name, version.version, version.path)
    with pytest.raises(ClusterError, match="leave --dask out"):
        spread.DaskEngine("tcp://127.0.0.1:1", estimated, 1, keep_scores=False)
