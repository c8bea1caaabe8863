from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.store import Store
from models.version import Version
from monitor.window.data import gather
from monitor.window.version import MonitoredVersion
from records.database import Database
from records.prediction import KeptPrediction
from records.writer import write
from tests.drafts import LinearDraft
from tests.drawing import flat
from tests.monitor.production import HOUR, NOON, Production, keep


def row(version: Version, **changes: object) -> KeptPrediction:
    plain = KeptPrediction(
        request_id="x",
        model=version.name,
        version=version.version,
        role="champion",
        at=NOON - HOUR / 2,
        status=200,
        reason=None,
        label=8,
        confidence=0.5,
        probabilities=np.full(10, 0.1, "<f4").tobytes(),
        weight=3.0,
        image=flat(),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_images_and_answers_are_those_that_were_recorded(
    production: Production, database: Database
) -> None:
    pixels = production.images(0)
    keep(database, production.version, pixels, weight=2.0)
    keep(database, production.version, pixels, at=NOON + HOUR, prefix="later")
    data = gather(database, MonitoredVersion.of(production.version), NOON - HOUR, NOON)
    assert np.array_equal(data.pixels, pixels)
    assert data.outputs.shape == (120, 10)
    assert data.record(7).request_id == "r-7"
    assert data.record(7).label == data.outputs[7].argmax()
    assert set(data.weights.tolist()) == {2.0}
    assert all(one.image is None for one in data.records)


def test_rejected_and_damaged_images_are_inspected_but_not_compared(
    version: Version, database: Database
) -> None:
    refused = {"status": 400, "probabilities": None, "label": None}
    rows = [
        row(version, request_id="good"),
        row(version, request_id="rejected", **refused),
        row(version, request_id="nothing", image=None),
        row(version, request_id="damaged", image=b"no image"),
    ]
    write(database, rows, {})
    data = gather(database, MonitoredVersion.of(version), NOON - HOUR, NOON)
    assert [one.request_id for one in data.records] == [one.request_id for one in rows]
    assert [data.record(index).request_id for index in range(len(data))] == ["good"]
    assert data.decoded.rows.tolist() == [0, 1]
    assert [one.row for one in data.decoded.failures] == [3]
    assert data.decoded.without == 1
    assert data.pixels_of(1) is not None
    assert data.pixels_of(3) is None


def test_what_other_versions_answered_is_answered_by_this_one(
    version: Version, database: Database
) -> None:
    other = replace(row(version), version="another", label=77, probabilities=b"")
    # Who asks for a version by its tag tries it out.
    tried = replace(row(version), version="another", role="")
    write(database, [row(version), other, tried], {})
    monitored = MonitoredVersion.of(version)
    data = gather(database, monitored, NOON - HOUR, NOON)
    assert data.own.tolist() == [True, False]
    assert data.answered == {version.version: 1, "another": 1}
    assert np.allclose(data.outputs[1], monitored.answers(data.pixels, monitored.runtime)[1])
    assert len(gather(database, monitored, NOON - HOUR, NOON, alone=True)) == 1


def test_a_window_of_many_is_sampled(production: Production, database: Database) -> None:
    keep(database, production.version, production.images(0))
    data = gather(database, MonitoredVersion.of(production.version), NOON - HOUR, NOON, maximum=50)
    assert len(data) == 50


def test_nothing_at_all(version: Version, database: Database) -> None:
    data = gather(database, MonitoredVersion.of(version), NOON - HOUR, NOON)
    assert (len(data), data.pixels.shape, data.outputs.shape) == (0, (0, 64), (0, 10))


def test_a_model_that_gives_scores_answers_again(database: Database, tmp_path: Path) -> None:
    draft = LinearDraft(name="scores", probabilities=False)
    version = Store(tmp_path / "models").save(draft)
    write(database, [row(version, probabilities=None)], {})
    data = gather(database, MonitoredVersion.of(version), NOON - HOUR, NOON)
    features = version.manifest.image_spec.features(data.pixels)
    assert data.outputs == pytest.approx(version.artifact.open().run(features).scores)
