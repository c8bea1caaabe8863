"""The commands that are advised make versions like the one that they are about."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from images.spec import ImageSpec
from models.manifest import DataFingerprint, ExtractorReference, Manifest, Quantization, changed
from models.remaking import import_command, training_command
from models.source import Source
from models.store import Store
from tests.drafts import LinearDraft
from train.__main__ import main as train

PHOTOS = ImageSpec.parse("rgb-64x64:crop")
NETWORK = ExtractorReference(name="lite", version="abc", sha256="0" * 64, dimension=8)


@pytest.fixture
def plain(tmp_path: Path) -> Manifest:
    return Store(tmp_path).save(LinearDraft(name="photos")).manifest


def of(manifest: Manifest, **changes: Any) -> Manifest:
    return changed(manifest, **changes)


def digits(name: str = "digits") -> DataFingerprint:
    return DataFingerprint(
        name=name, sha256="0" * 64, images=9, holdout=3, classes={}, skipped=0, seed=0
    )


def test_a_version_of_photos_keeps_its_network_and_its_recipe(plain: Manifest) -> None:
    manifest = of(
        plain, extractor=NETWORK, recipe="lda-features", augmented=3, abstain=0.9, data=digits("x")
    )
    assert training_command(manifest) == (
        "python -m train --data FOLDER --name photos --recipe lda --features lite --augment "
        "--abstain=0.9"
    )


def test_a_network_in_int8_is_made_again_from_that_in_float(plain: Manifest) -> None:
    small = Quantization(
        extractor="lite:abc",
        images=9,
        accuracy=1,
        accuracy_int8=1,
        max_loss=0.1,
        bytes=2,
        bytes_int8=1,
        speed=2,
    )
    manifest = of(plain, extractor=NETWORK.model_copy(update={"name": "x"}), quantization=small)
    assert training_command(manifest).endswith(" --features lite --quantize")


def test_a_version_of_pixels_keeps_its_image_spec(plain: Manifest) -> None:
    manifest = of(plain, image_spec=PHOTOS, recipe="svc", backend="sklearn")
    assert training_command(manifest, 0.3) == (
        "python -m train --data FOLDER --name photos --recipe svc --backend sklearn "
        "--image-spec rgb-64x64:crop --holdout 0.3"
    )


def test_the_digits_are_trained_on_again_for_a_larger_holdout_only(plain: Manifest) -> None:
    manifest = of(plain, data=digits(), recipe="knn")
    assert training_command(manifest, 0.3) == (
        "python -m train --data digits --name photos --recipe knn --holdout 0.3"
    )
    assert training_command(manifest) == (
        "python -m train --data FOLDER --name photos --recipe knn --image-spec digits"
    )


def test_the_command_takes_all_that_is_advised(plain: Manifest) -> None:
    for changes in ({"extractor": NETWORK, "augmented": 3}, {"backend": "sklearn"}):
        command = training_command(of(plain, recipe="logistic-features", abstain=0.9, **changes))
        words = shlex.split(command)[3:]
        assert train.make_context("train", words).params["abstain"] == 0.9


def test_an_imported_file_is_imported_again(plain: Manifest) -> None:
    source = Source(uri="a b.pickle", file="a b.pickle", sha256="0" * 64)
    assert import_command(of(plain, source=source)) == (
        "python -m models import 'a b.pickle' --name photos --image-spec digits --check FOLDER "
        "--accuracy SHARE"
    )
    assert import_command(plain).startswith("python -m models import FILE --name photos")
