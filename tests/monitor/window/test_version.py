"""What a version is compared with."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from errors import MonitorError
from models.store import Store
from models.version import Version
from monitor.drift.detector import DriftDetector
from monitor.window.version import MonitoredVersion
from tests.drafts import LinearDraft
from tests.drawing import png
from tests.monitor.production import Production
from tests.monitor.recorded import record


@pytest.fixture
def foreign(tmp_path: Path) -> Version:
    """As an imported pickle: it brings no data."""
    return Store(tmp_path / "models").save(LinearDraft(name="foreign"))


def folder(production: Production, path: Path, count: int) -> Path:
    for number in range(count):
        subfolder = path / str(production.dataset.targets[number])
        subfolder.mkdir(parents=True, exist_ok=True)
        pixels = production.dataset.pixels[number].reshape(8, 8)
        (subfolder / f"{number}.png").write_bytes(png(pixels))
    return path


def test_a_trained_version_has_its_own_data(version: Version, tmp_path: Path) -> None:
    monitored = MonitoredVersion.of(version)
    assert monitored.reference is not None
    assert (monitored.model, len(monitored.labels)) == ("watched", 10)
    with pytest.raises(MonitorError, match="has its own reference data: omit --data"):
        MonitoredVersion.of(version, tmp_path)


def test_an_imported_version_has_none(foreign: Version) -> None:
    monitored = MonitoredVersion.of(foreign)
    assert (monitored.reference, monitored.halves) == (None, None)


def test_labelled_images_replace_it(
    production: Production, foreign: Version, tmp_path: Path
) -> None:
    data = folder(production, tmp_path / "data", 520)
    (data / "3" / "notes.txt").write_text("no image")
    monitored = MonitoredVersion.of(foreign, data)
    reference = monitored.reference
    assert reference is not None
    assert len(reference) == 260
    assert reference.pca_components is not None
    assert reference.pca_components.shape == (20, 64)
    assert reference.probabilities == pytest.approx(
        monitored.answers(reference.pixels, foreign.artifact.open())
    )
    # All five views have what they need, and a dark window is no longer as before.
    detector = DriftDetector().fit(reference, monitored.spec, monitored.labels)
    dark = (production.images(3, 75) // 3).astype(np.uint8)
    report = detector.compare(dark, monitored.answers(dark, monitored.runtime))
    assert (len(report.views), report.state) == (5, "warn")


def test_images_without_a_label_are_skipped(
    production: Production, foreign: Version, tmp_path: Path
) -> None:
    shown = [png(image.reshape(8, 8)) for image in production.images(0, 40)]
    labels = [None, *production.dataset.targets[1:40].tolist()]
    pq.write_table(pa.table({"image": shown, "label": labels}), tmp_path / "data.parquet")
    reference = MonitoredVersion.of(foreign, tmp_path / "data.parquet").reference
    assert reference is not None
    assert len(reference) == 20


def test_a_class_that_the_version_does_not_have_is_named(foreign: Version, tmp_path: Path) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "1.png").write_bytes(b"")
    with pytest.raises(MonitorError, match=r"contains the class 'cat' \(cat/1.png\)"):
        MonitoredVersion.of(foreign, tmp_path / "data")


def test_a_folder_without_images_is_refused(foreign: Version, tmp_path: Path) -> None:
    (tmp_path / "data" / "3").mkdir(parents=True)
    with pytest.raises(MonitorError, match=r"has too few readable images \(0\)"):
        MonitoredVersion.of(foreign, tmp_path / "data")


def test_a_nan_does_not_spoil_other_outputs(version: Version, production: Production) -> None:
    monitored = MonitoredVersion.of(version)
    pixels = production.images(0)[:2]
    sure = np.eye(10, dtype="<f4")[3]
    kept = [record(probabilities=one.tobytes()) for one in (sure, np.full_like(sure, np.nan))]
    assert monitored.outputs(kept, pixels).tolist() == [sure.tolist(), [0.0] * 10]
