"""Images with what the original said of them, or what they are: whether a version says the same.

Nothing else shows that a classifier of another scikit-learn, or with another image spec, answers as
it did where it was made.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import cli
from errors import ImageError, ParityError, PickleError, first_line
from images.spec import ImageSpec
from labels import plain
from models.artifact import MANIFEST, read_artifact
from models.coverage import Coverage
from models.files import load_arrays
from models.honest import HONEST, Honest
from models.manifest import Label, Manifest, changed
from models.offline.labelled import made, read_labelled
from models.runtime import Outcome
from models.unsaved import Unsaved

MIN_IMAGES: Final = 50
SHARE: Final = 0.99
"""Of the labels that must be the same: features were float64 there, and are float32 here."""
CLOSE: Final = 0.005
"""Of an accuracy that was stated."""
_DIFFERENCE: Final = 1e-3


@dataclass(frozen=True)
class Known:
    """``features``: float32 [N, F]. ``labels``: what the original said. ``probabilities``: [N, C],
    in the order of its classes, if known. ``accuracy``: the share of the labels that the original
    has right, where they are true ones."""

    features: NDArray[np.float32]
    labels: tuple[Label, ...]
    probabilities: NDArray[np.float64] | None = None
    accuracy: float | None = None

    @classmethod
    def read(cls, path: Path, spec: ImageSpec, accuracy: float | None = None) -> "Known":
        """A folder with a sub-folder of images for each label, or an .npz with ``labels`` and
        ``pixels`` (bytes) or ``features``, and ``probabilities``. Raises PickleError."""
        known = _of_folder(path, spec) if path.is_dir() else _of_arrays(path, spec, accuracy)
        if len(known.labels) < MIN_IMAGES:
            raise PickleError(
                f"{path} has {len(known.labels)} images with labels, and {MIN_IMAGES} are needed "
                "to show that the version answers as the original did."
            )
        return replace(known, accuracy=accuracy)

    def check(self, manifest: Manifest, outcome: Outcome) -> str:
        """One sentence of what agrees; raises ParityError if too little does."""
        of = {str(label): place for place, label in enumerate(manifest.labels)}
        strange = sorted({str(one) for one in self.labels} - of.keys())
        if strange:
            raise ParityError(
                f"The images to check with have the label {strange[0]!a}, which is none of "
                f"{manifest.name}'s: {', '.join(map(str, manifest.labels[:10]))}."
            )
        places = np.array([of[str(label)] for label in self.labels])
        share = float((places == outcome.indices).mean())
        count = len(places)
        if self.accuracy is not None:
            if abs(share - self.accuracy) > CLOSE + 1 / count:
                raise ParityError(
                    f"{manifest.name} has {share:.1%} of {count} labels right here, and "
                    f"{self.accuracy:.1%} were stated, so it does not answer as the original did."
                )
            return f"{share:.1%} of {count} labels are right, as stated."
        if share < SHARE:
            raise ParityError(
                f"{manifest.name} says {share:.1%} of {count} labels here, and {SHARE:.0%} must be "
                "the same as the original's; if they are not its predictions but the true labels, "
                "state its own accuracy on them with --accuracy."
            )
        if self.probabilities is not None and manifest.gives_probabilities:
            _compare(self.probabilities, manifest, outcome)
        return f"{share:.1%} of {count} labels are the original's."

    def honest(self, manifest: Manifest, outcome: Outcome) -> Honest | None:
        """What prediction sets are made with, if the labels are true ones, which it was not trained
        on as far as its owner says. What it was trained on, and so what it knows, nobody says."""
        if self.accuracy is None or not manifest.gives_probabilities:
            return None
        of = {str(label): place for place, label in enumerate(manifest.labels)}
        truth = np.array([of[str(label)] for label in self.labels], np.int64)
        rows = np.random.default_rng(0).permutation(len(truth))
        return Honest(Coverage.of(outcome.scores[rows], truth[rows]), None)


@dataclass
class Checked:
    """A version to save that must first answer as known; ``said``: what agreed."""

    unsaved: Unsaved
    known: Known
    said: str = ""

    @property
    def name(self) -> str:
        return self.unsaved.name

    def write(self, folder: Path) -> Manifest:
        """Raises ParityError if it does not; the store then keeps nothing."""
        manifest = self.unsaved.write(folder)
        outcome = read_artifact(folder).open().run(self.known.features)
        self.said = self.known.check(manifest, outcome)
        honest = self.known.honest(manifest, outcome)
        return manifest if honest is None else _with(honest, folder, manifest)


def _with(honest: Honest, folder: Path, manifest: Manifest) -> Manifest:
    """The version in a folder, with that as well."""
    content = honest.dump()
    files = manifest.files | {HONEST: hashlib.sha256(content).hexdigest()}
    manifest = changed(manifest, files=files, honesty=honest.record)
    (folder / HONEST).write_bytes(content)
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
    return manifest


def _of_folder(folder: Path, spec: ImageSpec) -> Known:
    rows: list[NDArray[np.uint8]] = []
    labels: list[Label] = []
    images = read_labelled(folder)
    tell = cli.progress(f"Looking at the images to check with: {{:,}} of {len(images):,} ...")
    pixels = made(images, lambda image: image.pixels(spec))
    for done, (one, row) in enumerate(zip(images, pixels, strict=True), 1):
        tell(done)
        if not isinstance(row, ImageError):
            rows.append(row)
            labels.append(one.label)
    if not rows:
        raise PickleError(
            f"{folder} has no images to check with: put them into one sub-folder for each label."
        )
    return Known(spec.features(np.stack(rows)), tuple(labels))


def _of_arrays(path: Path, spec: ImageSpec, accuracy: float | None) -> Known:
    try:
        arrays = load_arrays(path.read_bytes())
    except Exception as error:
        raise PickleError(
            f"{path} cannot be read as .npz without pickled arrays ({first_line(error)}): save "
            "pixels or features, and labels, with numpy.savez."
        ) from error
    # Beside predictions, labels are the true ones.
    names = ("predictions", "labels") if accuracy is None else ("labels", "predictions")
    labels = _first(arrays, names)
    images = _first(arrays, ("features", "pixels", "images"))
    if labels is None or images is None:
        raise PickleError(
            f"{path} has the arrays {', '.join(sorted(arrays)) or 'none'}, and needs labels (or "
            "predictions) and pixels (or features)."
        )
    if images.ndim < 2 or not images.size:
        raise PickleError(
            f"{path} needs some images of {spec.n_features} numbers each; it has an array of the "
            f"shape {images.shape}."
        )
    flat = images.reshape(len(images), -1)
    if labels.ndim != 1 or len(labels) != len(flat) or flat.shape[1] != spec.n_features:
        raise PickleError(
            f"{path} needs one label for each image of {spec.n_features} numbers; it has "
            f"{labels.shape} labels and {images.shape} images."
        )
    if "features" not in arrays:
        if flat.dtype != np.uint8:
            raise PickleError(f"{path} has pixels of {flat.dtype}; they must be bytes (uint8).")
        flat = spec.features(flat)
    probabilities = arrays.get("probabilities")
    return Known(
        flat.astype(np.float32),
        tuple(plain(one) for one in labels.tolist()),
        None if probabilities is None else probabilities.astype(np.float64),
    )


def _compare(probabilities: NDArray[np.float64], manifest: Manifest, outcome: Outcome) -> None:
    if probabilities.shape != outcome.scores.shape:
        raise ParityError(
            f"The probabilities to check with have the shape {probabilities.shape}, and those of "
            f"{manifest.name} {outcome.scores.shape}."
        )
    away = float(np.abs(probabilities - outcome.scores).max())
    if not away <= _DIFFERENCE:
        raise ParityError(
            f"{manifest.name} gives a probability here that differs by {away:.2g} from the "
            f"original's, above the {_DIFFERENCE:g} allowed."
        )


def _first(arrays: dict[str, NDArray[Any]], names: tuple[str, ...]) -> NDArray[Any] | None:
    return next((arrays[name] for name in names if name in arrays), None)
