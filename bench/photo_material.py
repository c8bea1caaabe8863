"""What is served and asked of photos: a version with an extractor, its peers' files, and photos.

    BENTOML_HOME=<folder>/home PUPILA_HOME=<folder>/pupila python -m bench.photo_material <folder>

Two versions of ``clf`` on one extractor; with ``--int8`` the newest has it in int8. Labels are
those that Pupila's way of reading an image and that of the peers agree on: they decode large files
otherwise.
"""

import argparse
import base64
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from bench.material import photos
from bench.peers.photo_classifier import PhotoClassifier
from images.decoding import examine
from models.artifact import GRAPH
from models.extractor import EXTRACTOR_GRAPH, Extractor
from models.offline.bringing_extractor import chosen
from models.offline.lite0 import NAME
from models.store import Store
from models.version import Version
from train.dataset import Dataset, split
from train.embedding import embedded
from train.fit import train_parts
from train.quantizing import in_int8

SIZES: Final = {"30 KB": 224, "12 MP": 0}
"""By what they are called in the report: the side of the drawing, 0 for a large one."""

TRAINED: Final = 180
ASKED: Final = {"30 KB": 120, "12 MP": 16}
LARGE: Final = (4000, 3000)
_DRAWN_SIDE: Final = 1000
_MARGIN: Final = 0.05


def large_photos(count: int) -> list[bytes]:
    """Of 12 megapixels, as a phone saves them: 3 to 4 MB."""
    noise = np.random.default_rng(7).integers(-12, 12, (LARGE[1], LARGE[0], 3))
    made = []
    for _, small in photos(5, count):
        with Image.open(io.BytesIO(small)) as opened:
            wide = opened.resize(LARGE, Image.Resampling.BICUBIC)
        pixels = np.clip(np.asarray(wide).astype(np.int16) + noise, 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
        made.append(buffer.getvalue())
    return made


def make(folder: Path, *, int8: bool = False) -> None:
    """Train, and write everything."""
    store = Store()
    extractor = chosen(store, NAME).extractor
    spec = extractor.manifest.image_spec
    drawn = photos(1, TRAINED)
    pixels = np.stack([examine(image, 10**9).pixels(spec) for _, image in drawn])
    dataset = Dataset(pixels, np.array([label for label, _ in drawn]), "drawings", spec)
    version = _saved(store, dataset, extractor)
    if int8:
        version = _saved(store, dataset, in_int8(store, extractor, pixels))
    else:
        _saved(store, dataset, extractor)
    _for_peers(folder, version, extractor)


def _saved(store: Store, dataset: Dataset, extractor: Extractor) -> Version:
    dataset = embedded(dataset, extractor)
    parts = split(dataset, 0.2, 0)
    result = train_parts(parts, dataset, "logistic-features", "clf", extractor=extractor)
    return store.save(replace(result.candidate, pictures={}))


def _for_peers(folder: Path, version: Version, extractor: Extractor) -> None:
    manifest, spec = version.manifest, extractor.manifest.image_spec
    (folder / "extractor.onnx").write_bytes(extractor.read(EXTRACTOR_GRAPH))
    (folder / "head.onnx").write_bytes(version.artifact.read(GRAPH))
    assert spec.mean is not None  # noqa: S101 - the default extractor's has both
    assert spec.std is not None  # noqa: S101
    fields = {"labels": manifest.labels, "side": spec.width}
    fields |= {"mean": spec.mean[0], "std": spec.std[0], "crop": spec.fit == "crop"}
    (folder / "photos.json").write_text(json.dumps(fields))
    peers, runtime = PhotoClassifier.load(folder), version.artifact.open()
    for size, count in ASKED.items():
        large = not SIZES[size]
        images = large_photos(count) if large else [image for _, image in photos(2, count)]
        pairs = []
        for image in images:
            text = base64.b64encode(image).decode()
            features = spec.features(examine(image, 10**9).pixels(spec)[None])
            ours, theirs = runtime.run(features).scores[0], peers.scores([text])[0]
            clear = min(np.diff(np.sort(scores)[-2:])[0] for scores in (ours, theirs)) > _MARGIN
            if clear and ours.argmax() == theirs.argmax():
                pairs.append([text, manifest.labels[int(ours.argmax())]])
        (folder / f"{size}.json").write_text(json.dumps(pairs))
        print(
            f"{size}: {len(pairs)} of {count} photos, {np.median([*map(len, images)]):,.0f} bytes"
        )
    # The one that tells whether a server answers.
    (folder / "images.json").write_bytes((folder / "30 KB.json").read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--int8", action="store_true", help="the newest version's extractor is")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    make(options.folder, int8=options.int8)


if __name__ == "__main__":
    main()
