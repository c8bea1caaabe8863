"""``python -m models``, run in process on a store of its own."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from models.__main__ import main
from models.manifest import Speed
from models.store import Store
from tests.drafts import LinearDraft, MeasuringStore
from tests.drawing import png

PICKLE = "tests/data/clf.pickle"


Run = Callable[..., Result]


@pytest.fixture
def own(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command on the store of ``own``, which every command opens anew."""

    def run(*arguments: str, answer: str = "", store: Store | None = None) -> Result:
        opened = store or Store(tmp_path / "models")
        return CliRunner().invoke(main, arguments, input=answer, obj=opened)

    return run


def test_an_empty_store(own: Store, run: Run) -> None:
    assert run("list").output == "The store has no versions; train one with: python -m train\n"


def test_list_of_what_is_not_there(own: Store, run: Run) -> None:
    assert run("list", "clf").exit_code == 1


def test_list_marks_those_that_abstain(own: Store, run: Run) -> None:
    for coverage in (None, 0.95, 0.9):
        own.save(LinearDraft(abstain=coverage))
    head, plain, wide, narrow, *notes = run("list").output.splitlines()
    assert ["*" in line for line in (head, plain, wide, narrow)] == [False, False, True, True]
    assert "**  " in wide
    assert notes == ["* abstains by 0.9", "** abstains by 0.95"]


def test_list_marks_the_champions(own: Store, run: Run) -> None:
    first, second = own.save(LinearDraft()), own.save(LinearDraft())
    rows = run("list").output.splitlines()
    assert rows[1].split()[0] == first.tag
    assert "champion" not in rows[1]
    assert rows[2].split()[:2] == [second.tag, "champion"]


def test_show(own: Store, run: Run) -> None:
    version = own.save(LinearDraft())
    output = run("show", "clf").output
    assert version.tag in output
    assert "LinearDraft" in output
    assert json.loads(run("show", "clf", "--json").output)["name"] == "clf"


def test_show_of_what_is_not_there(own: Store, run: Run) -> None:
    result = run("show", "clf")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: The store has no model 'clf'; train one with: python -m train --name clf\n"
    )


def test_compare(own: Store, run: Run) -> None:
    first, second = own.save(LinearDraft()), own.save(LinearDraft(labels=("a", "b")))
    output = run("compare", first.tag, second.tag).output
    assert "labels" in output
    assert "differs" in output


def test_delete_asks_first(own: Store, run: Run) -> None:
    own.save(LinearDraft())
    assert run("delete", "clf", answer="n\n").exit_code == 1
    assert len(own.versions()) == 1
    assert run("delete", "clf", answer="y\n").exit_code == 0
    assert own.versions() == []


def test_delete_without_asking(own: Store, run: Run) -> None:
    version = own.save(LinearDraft())
    assert run("delete", "clf", "--yes").output == f"Deleted {version.tag}.\n"


def test_export_and_import(own: Store, tmp_path: Path, run: Run) -> None:
    version = own.save(LinearDraft())
    archive = tmp_path / "clf.bentomodel"
    assert run("export", "clf", str(archive)).exit_code == 0
    assert archive.is_file()
    assert run("import", str(archive)).stderr == f"Error: {version.tag} is already in the store.\n"
    own.delete(version)
    assert run("import", str(archive)).output == f"Imported {version.tag}\n"


@pytest.mark.parametrize("option", ["--entry=a", "--accuracy=0", "--with-scikit-learn=1.5.2"])
def test_an_archive_takes_no_option_of_a_pickle(tmp_path: Path, run: Run, option: str) -> None:
    archive = tmp_path / "clf.bentomodel"
    archive.write_bytes(b"")
    result = run("import", str(archive), option)
    assert result.exit_code == 2
    assert option.partition("=")[0] in result.stderr
    assert "are only for a pickle: leave them out." in result.stderr


def test_a_pickle_is_only_described(own: Store, run: Run) -> None:
    result = run("import", PICKLE, "--name", "old", "--image-spec", "digits")
    assert result.exit_code == 1
    assert "Made by scikit-learn 1.5.2." in result.output
    assert "  sklearn.svm._classes.SVC\n" in result.output
    assert "add --trust" in result.stderr
    assert own.versions() == []


def test_a_trusted_pickle_becomes_a_version(own: Store, run: Run) -> None:
    result = run("import", PICKLE, "--name", "old", "--image-spec", "digits", "--trust")
    assert result.exit_code == 0, result.output
    (version,) = own.versions()
    assert version.manifest.labels == tuple(range(10))
    assert not version.manifest.gives_probabilities
    assert "4200 images: 0 labels differ" in result.output


class Once:
    """Makes a folder when it is loaded, which cannot be done twice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_a_pickle_that_has_no_graph_is_loaded_once(own: Store, tmp_path: Path, run: Run) -> None:
    features, targets = load_digits(return_X_y=True)
    model = KNeighborsClassifier(3, metric="cosine").fit(features[:200], targets[:200])
    path = tmp_path / "clf.pickle"
    path.write_bytes(pickle.dumps({"model": model, "made": Once(tmp_path / "made")}))
    result = run("import", str(path), "--name", "old", "--image-spec", "digits", "--trust")
    assert result.exit_code == 1
    assert (tmp_path / "made").is_dir()
    assert result.stderr.endswith("; --backend sklearn serves the estimator itself.\n")
    assert own.versions() == []


def test_a_graph_that_is_slow_but_correct_is_saved_with_a_warning(tmp_path: Path, run: Run) -> None:
    slow = Speed(batch_1=0.5, batch_32=2.0, batch_128=2.0)
    own = MeasuringStore(tmp_path / "models", slow)
    named = ("--name", "old", "--image-spec", "digits")
    result = run("import", PICKLE, *named, "--trust", store=own)
    assert result.exit_code == 0, result.output
    assert "Warning: The graph was slower than scikit-learn" in result.stderr
    (version,) = own.versions()
    assert version.manifest.speed == slow


def test_a_pickle_of_another_size(own: Store, run: Run) -> None:
    result = run("import", PICKLE, "--name", "old", "--image-spec", "rgb-8x8", "--trust")
    assert result.exit_code == 1
    assert "expects 64 features, but image spec rgb-8x8 gives 192" in result.stderr
    assert own.versions() == []


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 digits, in a folder for each label."""
    folder = tmp_path_factory.mktemp("labelled")
    digits = load_digits()
    for row in range(500, 600):
        inner = folder / str(digits.target[row])
        inner.mkdir(exist_ok=True)
        pixels = np.rint(digits.images[row] / 16 * 255).astype(np.uint8)
        (inner / f"{row}.png").write_bytes(png(pixels))
    return folder


def test_labelled_images_tell_the_image_spec(
    own: Store, tmp_path: Path, run: Run, labelled: Path
) -> None:
    features, targets = load_digits(return_X_y=True)
    raw = np.rint(features[:500] / 16 * 255)
    path = tmp_path / "raw.pickle"
    path.write_bytes(pickle.dumps(SVC().fit(raw, targets[:500])))
    named = ("import", str(path), "--name", "raw", "--check", str(labelled), "--trust")

    wrong = run(*named, "--image-spec", "gray-8x8")
    assert wrong.exit_code == 1
    assert "give --image-spec gray-8x8:0-255" in wrong.stderr
    assert own.versions() == []

    found = run(*named)
    assert found.exit_code == 0, found.output
    assert "Of 100 labelled images it has right: 9" in found.stdout
    assert "cannot be checked here" not in found.stdout
    (version,) = own.versions()
    assert version.manifest.image_spec.name == "gray-8x8:0-255"


def test_the_digits_that_a_pickle_was_trained_on_tell_its_image_spec(
    own: Store, run: Run, labelled: Path
) -> None:
    result = run("import", PICKLE, "--name", "old", "--check", str(labelled), "--trust")
    assert result.exit_code == 0, result.output
    (version,) = own.versions()
    assert version.manifest.image_spec.name == "digits"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("import", PICKLE, "--name", "x"),
            "A pickle needs --image-spec, since nothing in it says",
        ),
        (("import", "x.bentomodel", "--name", "x"), "'x.bentomodel' does not exist"),
        (("import", PICKLE), "A pickle needs --name and --image-spec."),
        (("import", PICKLE, "--name", "x", "--image-spec", "big"), "Image spec 'big' is not valid"),
        (("import", "nowhere.pickle"), "'nowhere.pickle' does not exist"),
        (("import", PICKLE, "--name", "X Y", "--image-spec", "digits"), "lower-case letters"),
        (("import", "README.md", "--name", "x", "--image-spec", "digits"), "README.md"),
        (("nothing",), "No such command 'nothing'"),
    ],
)
def test_wrong_arguments(own: Store, arguments: tuple[str, ...], sentence: str, run: Run) -> None:
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert sentence in result.stderr
    assert "Traceback" not in result.output


def key(tmp_path: Path, run: Run) -> Path:
    assert run("keygen", str(tmp_path / "key")).exit_code == 0
    return tmp_path / "key"


def test_keygen_writes_a_pair_once(tmp_path: Path, run: Run) -> None:
    path = key(tmp_path, run)
    assert path.stat().st_mode & 0o077 == 0
    again = run("keygen", str(path))
    assert again.exit_code == 1
    assert again.stderr == f"Error: {path} exists already and is not overwritten.\n"


def test_sign_and_show(own: Store, tmp_path: Path, run: Run) -> None:
    version = own.save(LinearDraft())
    assert "signature none" in " ".join(run("show", "clf").output.split())
    signed = run("sign", "clf", "--key", str(key(tmp_path, run)))
    assert signed.output.startswith(f"Signed {version.tag} with the key ")
    output = " ".join(run("show", "clf").output.split())
    assert "manifest as saved" in output
    assert "signature not checked: PUPILA_TRUSTED_KEYS names no keys" in output


def test_show_says_what_is_not_protected(own: Store, run: Run) -> None:
    version = own.save(LinearDraft())
    path = version.path / "manifest.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"content": ""}))
    assert "has no SHA-256 of its content, so a change" in run("show", "clf").output
    altered = own.save(LinearDraft("other"))
    path = altered.path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels": [*range(1, 10), 0]}))
    assert "ALTERED: not served" in run("show", "other").output


def test_verify(own: Store, run: Run) -> None:
    version = own.save(LinearDraft())
    assert run("verify", "clf").output == f"{version.tag} is as it was saved.\n"
    (version.path / "golden.npz").write_bytes(b"x")
    result = run("verify", "clf")
    assert result.exit_code == 1
    assert "is not the file that was saved" in result.stderr


def test_a_key_that_is_none(own: Store, tmp_path: Path, run: Run) -> None:
    own.save(LinearDraft())
    (tmp_path / "key").write_text("no key")
    result = run("sign", "clf", "--key", str(tmp_path / "key"))
    assert result.exit_code == 1
    assert "has no Ed25519 private key" in result.stderr


def test_compare_judges_both_and_writes_a_page(own: Store, run: Run, tmp_path: Path) -> None:
    first, second = own.save(LinearDraft()), own.save(LinearDraft())
    page = tmp_path / "page.html"
    done = run("compare", first.tag, second.tag, "--html", str(page))
    assert done.exit_code == 0, done.output
    assert done.stderr == "Comparing them on the same images ...\n"
    assert "DIFFERENCE" in done.output
    assert f"Note: {first.tag} has no holdout, as every imported pickle." in done.output
    assert f"{second.tag}: too few images" in page.read_text(encoding="utf-8")
