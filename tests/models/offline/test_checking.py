"""A version is saved only if it says what the original said."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from errors import ParityError, PickleError
from images.spec import ImageSpec
from models.artifact import read_artifact
from models.honest import Honest
from models.offline.adoption import adopt
from models.offline.checking import Checked, Known

SPEC = ImageSpec.parse("digits")
DIGITS = load_digits()
PIXELS = np.rint(DIGITS.data / 16 * 255).astype(np.uint8)
MODEL = LogisticRegression(max_iter=500).fit(SPEC.features(PIXELS[:300]), DIGITS.target[:300])
ASKED = PIXELS[300:400]
SAID = MODEL.predict(SPEC.features(ASKED))
CANDIDATE = adopt(MODEL, "clf", SPEC)


def saved(tmp_path: Path, **arrays: object) -> Path:
    np.savez(tmp_path / "known.npz", **arrays)  # type: ignore[arg-type]
    return tmp_path / "known.npz"


def written(tmp_path: Path, known: Known) -> str:
    folder = tmp_path / "version"
    folder.mkdir()
    checked = Checked(CANDIDATE, known)
    checked.write(folder)
    return checked.said


def test_the_originals_predictions_and_probabilities(tmp_path: Path) -> None:
    probabilities = MODEL.predict_proba(SPEC.features(ASKED))
    path = saved(tmp_path, pixels=ASKED, labels=SAID, probabilities=probabilities)
    said = written(tmp_path, Known.read(path, SPEC))
    assert said == "100.0% of 100 labels are the original's."


def test_predictions_that_differ_are_refused(tmp_path: Path) -> None:
    other = np.where(np.arange(100) < 10, (SAID + 1) % 10, SAID)
    path = saved(tmp_path, features=SPEC.features(ASKED), predictions=other)
    with pytest.raises(ParityError, match=r"says 90\.0% of 100 labels here, and 99% must be"):
        written(tmp_path, Known.read(path, SPEC))


def test_true_labels_in_a_folder_with_the_accuracy_at_home(tmp_path: Path) -> None:
    for place, pixels in enumerate(ASKED):
        inner = tmp_path / "images" / str(DIGITS.target[300 + place])
        inner.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.reshape(8, 8)).save(inner / f"{place}.png")
    right = float((DIGITS.target[300:400] == SAID).mean())
    known = Known.read(tmp_path / "images", SPEC, right)
    assert written(tmp_path, known) == f"{right:.1%} of 100 labels are right, as stated."


def test_hidden_folders_are_no_labels_and_names_may_be_decomposed(tmp_path: Path) -> None:
    """As the file systems of some machines write them, and what some leave behind."""
    for place in range(60):
        for name in (".thumbnails", "cafe\u0301"):
            inner = tmp_path / name
            inner.mkdir(exist_ok=True)
            Image.fromarray(ASKED[place].reshape(8, 8)).save(inner / f"{place}.png")
    assert Known.read(tmp_path, SPEC).labels == ("caf\u00e9",) * 60


def test_with_an_accuracy_the_true_labels_are_meant(tmp_path: Path) -> None:
    truth = DIGITS.target[300:400]
    path = saved(tmp_path, pixels=ASKED, predictions=SAID, labels=truth)
    assert Known.read(path, SPEC).labels == tuple(SAID.tolist())
    assert Known.read(path, SPEC, 0.9).labels == tuple(truth.tolist())


def test_another_accuracy_than_at_home_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, pixels=ASKED, labels=DIGITS.target[300:400])
    with pytest.raises(ParityError, match=r"and 40.0% were stated, so it does not answer"):
        written(tmp_path, Known.read(path, SPEC, 0.4))


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"pixels": ASKED[:20], "labels": SAID[:20]}, "has 20 images with labels, and 50 are"),
        ({"pixels": ASKED}, "has the arrays pixels, and needs labels"),
        ({"pixels": ASKED[:, :9], "labels": SAID}, "needs one label for each image of 64 numbers"),
        ({"pixels": ASKED / 2, "labels": SAID}, r"must be bytes \(uint8\)"),
        ({"pixels": np.uint8(1), "labels": SAID}, r"some images of 64 numbers .* the shape \(\)"),
        ({"pixels": ASKED[:0], "labels": SAID[:0]}, r"some images of 64 .* the shape \(0, 64\)"),
        ({"features": ASKED[:, :0], "labels": SAID}, r"some images of 64 .* shape \(100, 0\)"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, arrays: dict[str, object], reason: str
) -> None:
    with pytest.raises(PickleError, match=reason):
        Known.read(saved(tmp_path, **arrays), SPEC)


def test_true_labels_make_prediction_sets(tmp_path: Path) -> None:
    path = saved(tmp_path, pixels=ASKED, labels=DIGITS.target[300:400])
    right = float((DIGITS.target[300:400] == SAID).mean())
    written(tmp_path, Known.read(path, SPEC, right))
    artifact = read_artifact(tmp_path / "version")
    artifact.verify()
    honest = Honest.load(artifact)
    assert honest is not None
    assert honest.coverage is not None
    assert honest.familiarity is None
    assert artifact.manifest.honesty == honest.record
    assert (artifact.manifest.honesty.images, artifact.manifest.calibration) == (100, None)
    probabilities = MODEL.predict_proba(SPEC.features(ASKED))
    truth = probabilities[np.arange(100), DIGITS.target[300:400]]
    assert honest.coverage.scores == pytest.approx(np.sort(1 - truth), abs=1e-5)


def test_its_own_predictions_make_none(tmp_path: Path) -> None:
    written(tmp_path, Known.read(saved(tmp_path, pixels=ASKED, labels=SAID), SPEC))
    assert read_artifact(tmp_path / "version").manifest.honesty is None
