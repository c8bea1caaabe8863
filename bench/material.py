"""What is served and asked: for each model, one estimator for all servers, and labelled images.

    BENTOML_HOME=<folder>/home python -m bench.material <model> <folder>

trains once and writes into the folder ``estimator.pickle`` and ``spec.json`` for the peers,
``images.json`` with pairs of base64 and label, and Pupila's version of it into the store.
"""

import argparse
import base64
import io
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from images.spec import ImageSpec

MODELS = {
    "logistic": "logistic regression on 8x8 digits",
    "svc": "support vector machine on 8x8 digits",
    "forest": "random forest of 100 trees on 8x8 digits",
    "photos": "logistic regression on 224x224 colour JPEGs of 30 KB, seen as 64x64",
}
SLOW = {
    "neighbours": "nearest neighbours on 8x8 digits seen as 64x64, where all time is the model's"
}
RECIPES = {"photos": "logistic", "neighbours": "knn"}
PHOTO_SIDE = 224
PHOTO_QUALITY = 94  # makes 30 KB of a drawing with its noise
PHOTOS_TRAINED = 60
PHOTOS_ASKED = 150
CLEAR_MARGIN = 1e-3


def digits() -> list[bytes]:
    """Every digit of scikit-learn's as a JPEG, in random order."""
    from sklearn.datasets import load_digits

    pictures = np.rint(load_digits().images / 16 * 255).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(pictures))
    return [_jpeg(Image.fromarray(pictures[place]), 95) for place in order]


def photos(seed: int, count: int) -> list[tuple[str, bytes]]:
    """Shapes drawn in colour, each with its label."""
    from tests.drawing import SHAPES, draw_shape

    rng = np.random.default_rng(seed)
    labels = [SHAPES[number % len(SHAPES)] for number in range(count)]
    return [(label, _jpeg(draw_shape(label, rng, PHOTO_SIDE), PHOTO_QUALITY)) for label in labels]


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def make(model: str, folder: Path, copies: int) -> None:
    """Train the model, and write everything; copies are called more0, more1, and so on."""
    from models.store import Store
    from train.digits import load_digits
    from train.fit import train
    from train.folder import load_folder

    if model == "photos":
        data = folder / "photos"
        for number, (label, image) in enumerate(photos(1, 3 * PHOTOS_TRAINED)):
            (data / label).mkdir(parents=True, exist_ok=True)
            (data / label / f"{number:03d}.jpg").write_bytes(image)
        dataset = load_folder(data, ImageSpec.parse("rgb-64x64"))
        images = [image for _, image in photos(2, PHOTOS_ASKED)]
    else:
        dataset = load_digits(ImageSpec.parse("gray-64x64" if model in SLOW else "digits"))
        images = digits()
    result = train(dataset, RECIPES.get(model, model), "clf")
    Store().save(result.candidate)
    for number in range(copies):
        Store().save(replace(result.candidate, name=f"more{number}"))
    _for_peers(folder, result.candidate.estimator, dataset.spec, images)


def _for_peers(folder: Path, estimator: Any, spec: ImageSpec, images: list[bytes]) -> None:
    from bench.peers.classifier import Classifier

    with (folder / "estimator.pickle").open("wb") as file:
        pickle.dump(estimator, file)
    fields = spec.model_dump(include={"mode", "width", "height", "scale", "rounding"})
    (folder / "spec.json").write_text(json.dumps(fields))
    classifier = Classifier.load(folder)
    texts = [base64.b64encode(image).decode() for image in images]
    features = np.stack([classifier.features(text) for text in texts])
    best = np.sort(estimator.predict_proba(features), axis=1)
    # Where two labels are equally likely, the order of additions decides, and neither is wrong.
    clear = best[:, -1] - best[:, -2] > CLEAR_MARGIN
    labels = estimator.predict(features).tolist()
    pairs = [pair for pair, use in zip(zip(texts, labels, strict=True), clear, strict=True) if use]
    (folder / "images.json").write_text(json.dumps(pairs))
    sizes = [len(image) for image in images]
    print(f"{len(pairs)} of {len(images)} images, {np.median(sizes):,.0f} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", choices=[*MODELS, *SLOW])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--copies", type=int, default=0, help="of the version, by other names")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    make(options.model, options.folder, options.copies)


if __name__ == "__main__":
    main()
