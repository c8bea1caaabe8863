"""What a model sees of a file sent over HTTP is what training has made of it, byte for byte."""

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from images.spec import ImageSpec
from models.store import Store
from tests.drafts import LinearDraft
from tests.images.encoded import encode, noise
from tests.images.test_reduced import files, scene
from tests.servers import Server, serve
from train.folder import load_folder

SPECS = {
    "stretched": ImageSpec.parse("rgb-6x4:reduced"),
    "cropped": ImageSpec.parse("rgb-6x4:crop=8:bicubic:0-1:chw:reduced"),
    "boxed": ImageSpec.parse("gray-9x9:letterbox=114:bilinear:whc:reduced"),
    "whole": ImageSpec.parse("bgr-5x5"),
}


class Mirror(LinearDraft):
    """Its probabilities are the features, which tell the pixels: six digits for 256 values."""

    def _graph(self) -> bytes:
        size = self.spec.n_features
        graph = helper.make_graph(
            [helper.make_node("Identity", ["features"], ["probabilities"])],
            "mirror",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", size])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", size])],
        )
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
        return bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("server")
    for name, spec in SPECS.items():
        Store(home / "models").save(
            Mirror(name=name, labels=tuple(range(spec.n_features)), spec=spec)
        )
    with serve(home, default_model="whole") as running:
        yield running


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All kinds, and one of each that is decoded on a thread, in the folders of two classes."""
    folder = tmp_path_factory.mktemp("images")
    kinds = files(scene())
    kinds["large JPEG"] = encode(noise(900, 1200, 3), "JPEG", quality=95)
    kinds["large PNG"] = encode(noise(400, 500, 4), "PNG", compress_level=1)
    for number, data in enumerate(kinds.values()):
        (folder / str(number % 2)).mkdir(exist_ok=True)
        (folder / str(number % 2) / f"{number:02}").with_suffix(_suffix(data)).write_bytes(data)
    return folder


def _suffix(data: bytes) -> str:
    known = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"RI": ".webp", b"GI": ".gif", b"BM": ".bmp"}
    return known[data[:2]]


@pytest.mark.parametrize("name", SPECS)
def test_pixels_over_http_are_those_of_training(server: Server, images: Path, name: str) -> None:
    spec = SPECS[name]
    dataset = load_folder(images, spec)
    found = sorted(images.glob("*/*"), key=lambda path: (path.parent.name, path.name))
    assert len(found) == len(dataset.pixels) == 16
    for path, features in zip(found, spec.features(dataset.pixels[:]), strict=True):
        body = {
            "request_id": path.stem,
            "model": name,
            "image": base64.b64encode(path.read_bytes()).decode(),
            "probabilities": True,
        }
        answer = server.post("/predict/", json=body)
        assert answer.status_code == 200, answer.text
        seen = np.array(list(answer.json()["probabilities"].values()))
        assert np.rint(seen * 255).tolist() == np.rint(features * 255).tolist(), path.name
