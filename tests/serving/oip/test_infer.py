"""Classifying by the Open Inference Protocol, in process and over HTTP."""

import base64
import gzip
import io
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image
from starlette.types import Message

from models.store import Store
from serving.inference.admission import Admission
from serving.oip.answer import NO_NUMBER
from serving.oip.infer import Infer
from serving.routing.registry import Registry
from settings import Settings
from tests.drafts import LinearDraft
from tests.drawing import draw_shape
from tests.extractors import COLORS, DIMENSION, SPEC, saved_photos_version
from tests.honesty import honest_draft
from tests.serving.oip.asking import (
    DIGIT8,
    FEATURES8,
    HEADER_LENGTH,
    INFER,
    PIXELS8,
    TEXT8,
    binary_tensor,
    elements,
    infer,
    outputs,
    packed,
    tensor,
)

Ask = Callable[..., Awaitable[tuple[int, Any]]]


@asynccontextmanager
async def asking(folder: Path, draft: LinearDraft | None) -> AsyncIterator[Ask]:
    """Asks for the version in the folder's store, the draft's if there is one."""
    store = Store(folder / "models")
    if draft is not None:
        store.save(draft)
    registry = Registry(store, Settings())
    endpoint = Infer(registry, Settings(), Admission(Settings()))
    scope = {"type": "http", "method": "POST", "headers": [], "path_params": {"model": "clf"}}

    async def ask(sent: dict[str, Any], **fields: Any) -> tuple[int, Any]:
        async def receive() -> Message:
            body = json.dumps({"inputs": [sent], **fields}).encode()
            return {"type": "http.request", "body": body}

        reply = await endpoint(scope, receive)
        return reply.status, json.loads(reply.body)

    async with registry.watching():
        yield ask


def drawn() -> bytes:
    """What is no digit."""
    buffer = io.BytesIO()
    draw_shape("circle", np.random.default_rng(0), 64).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_image_in_json(client: httpx2.Client) -> None:
    response = infer(client, id="42")
    answer = response.json()
    version = answer["model_version"]
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-model-version"] == f"clf:{version}"
    assert list(answer) == ["model_name", "model_version", "id", "outputs"]
    assert (answer["model_name"], answer["id"]) == ("clf", "42")
    label, probabilities = answer["outputs"]
    assert label == {"name": "label", "datatype": "INT64", "shape": [1], "data": [8]}
    assert (probabilities["datatype"], probabilities["shape"]) == ("FP32", [1, 10])
    assert int(np.argmax(probabilities["data"])) == 8
    assert sum(probabilities["data"]) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    "sent",
    [
        tensor(parameters={"content_type": "base64"}),
        tensor(shape=[1, 1], data=[[TEXT8]]),
        tensor(data=["data:image/png;base64," + TEXT8]),
        tensor("features"),
        tensor("features", data=[FEATURES8.tolist()]),
        tensor("features", shape=[1, 8, 8], data=FEATURES8.reshape(1, 8, 8).tolist()),
        tensor("pixels"),
        tensor("pixels", shape=[1, 64]),
        tensor("pixels", data=PIXELS8.reshape(1, 8, 8, 1).tolist()),
    ],
)
def test_other_ways_to_say_it(client: httpx2.Client, sent: dict[str, Any]) -> None:
    assert outputs(infer(client, sent))["label"] == [8]


def test_every_way_gives_the_same_probabilities(client: httpx2.Client) -> None:
    found = [
        outputs(infer(client, tensor(name)))["probabilities"]
        for name in ("image", "features", "pixels")
    ]
    assert found[0] == found[1] == found[2]


async def test_features_of_which_no_score_can_be_made(tmp_path: Path) -> None:
    # The sum of one label is beyond float32.
    much = np.tile(3e38 * np.sign(LinearDraft()._weights()[0][:, 0]), (2, 1)).tolist()
    why = "features make scores that are not numbers; send what the training's are like"
    async with asking(tmp_path, LinearDraft()) as ask:
        for images in (1, 2):
            sent = tensor("features", shape=[images, 64], data=much[:images])
            status, answer = await ask(sent)
            assert status == 400
            assert why in answer["error"]


async def test_what_a_version_says_besides(tmp_path: Path) -> None:
    wanted = [
        {"name": "known"},
        {"name": "prediction_set", "parameters": {"coverage": 0.996}},
        {"name": "label"},
    ]
    sent = tensor(shape=[2], data=[TEXT8, base64.b64encode(drawn()).decode()])
    async with asking(tmp_path, LinearDraft(honest=honest_draft())) as ask:
        _, answer = await ask(sent, outputs=wanted)
    known, sets, label = answer["outputs"]
    assert known == {"name": "known", "datatype": "BOOL", "shape": [2], "data": [True, False]}
    assert (sets["datatype"], sets["shape"]) == ("BYTES", [2])
    assert label["data"][0] in json.loads(sets["data"][0])


async def test_the_set_of_a_version_that_abstains(tmp_path: Path) -> None:
    draft = LinearDraft(honest=honest_draft(), abstain=0.9)
    async with asking(tmp_path, draft) as ask:
        _, answer = await ask(tensor(), outputs=[{"name": "prediction_set"}, {"name": "label"}])
    sets, label = answer["outputs"]
    # Ten classes of about the same probability.
    assert label["data"] == [NO_NUMBER]
    assert len(json.loads(sets["data"][0])) != 1


async def test_a_set_needs_a_coverage(tmp_path: Path) -> None:
    async with asking(tmp_path, LinearDraft(honest=honest_draft())) as ask:
        status, answer = await ask(tensor(), outputs=[{"name": "prediction_set"}])
    assert status == 400
    assert answer["error"].startswith("prediction_set needs a coverage")


@pytest.mark.parametrize("name", ["known", "embedding"])
async def test_what_a_version_cannot_say(tmp_path: Path, name: str) -> None:
    async with asking(tmp_path, LinearDraft()) as ask:
        status, answer = await ask(tensor(), outputs=[{"name": name}])
    assert status == 400
    assert answer["error"].startswith("clf:")


async def test_the_embedding(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), COLORS["red"]).save(buffer, "PNG")
    text = base64.b64encode(buffer.getvalue()).decode()
    store = Store(tmp_path / "models")
    version = saved_photos_version(store, name="clf")
    extractor = version.artifact.extractor()
    assert extractor is not None
    expected = extractor.open().run(SPEC.features(np.array([COLORS["red"]] * 256).reshape(1, -1)))
    async with asking(tmp_path, None) as ask:
        _, answer = await ask(tensor(shape=[2], data=[text, text]), outputs=[{"name": "embedding"}])
    (output,) = answer["outputs"]
    assert (output["datatype"], output["shape"]) == ("FP32", [2, DIMENSION])
    np.testing.assert_allclose(output["data"][:DIMENSION], expected[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("image", elements(DIGIT8)),
        ("image", elements(TEXT8.encode())),
        ("features", FEATURES8.astype("<f4").tobytes()),
        ("pixels", PIXELS8.tobytes()),
    ],
)
def test_binary_in_and_out(client: httpx2.Client, name: str, content: bytes) -> None:
    fields = {
        "inputs": [binary_tensor(name, content)],
        "parameters": {"binary_data_output": True},
    }
    body, headers = packed(fields, content)
    response = client.post(INFER, content=body, headers=headers)
    assert response.headers["content-type"] == "application/octet-stream"
    found = outputs(response)
    assert found["label"].tolist() == [8]
    assert found["probabilities"].shape == (1, 10)


def test_one_output_binary_and_one_not(client: httpx2.Client) -> None:
    asked = [
        {"name": "probabilities", "parameters": {"binary_data": True}},
        {"name": "label", "parameters": {"binary_data": False}},
    ]
    response = infer(client, outputs=asked, parameters={"binary_data_output": True})
    length = int(response.headers[HEADER_LENGTH])
    names = [output["name"] for output in json.loads(response.content[:length])["outputs"]]
    assert names == ["probabilities", "label"]
    found = outputs(response)
    assert found["label"] == [8]
    assert found["probabilities"].argmax() == 8


def test_the_most_probable_labels(client: httpx2.Client) -> None:
    asked = [{"name": "probabilities", "parameters": {"classification": 3}}]
    (output,) = infer(client, outputs=asked).json()["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 3])
    first, *others = output["data"]
    value, index, label = first.split(":")
    assert (index, label) == ("8", "8")
    assert float(value) > max(float(other.partition(":")[0]) for other in others)
    asked[0]["parameters"] = {"classification": 99, "binary_data": True}
    assert len(outputs(infer(client, outputs=asked))["probabilities"]) == 10


def test_a_raw_image(client: httpx2.Client) -> None:
    response = client.post(INFER, content=DIGIT8, headers={HEADER_LENGTH: "0"})
    assert outputs(response)["label"] == [8]
    assert response.json()["id"]


def test_several_images(client: httpx2.Client) -> None:
    response = infer(client, tensor(shape=[3], data=[TEXT8] * 3))
    answer = response.json()
    assert answer["outputs"][0]["data"] == [8, 8, 8]
    assert answer["outputs"][1]["shape"] == [3, 10]
    assert len(answer["outputs"][1]["data"]) == 30
    one = infer(client).json()["outputs"][1]["data"]
    assert answer["outputs"][1]["data"][10:20] == pytest.approx(one, abs=1e-6)
    many = tensor("pixels", shape=[5, 64], data=PIXELS8.tolist() * 5)
    assert outputs(infer(client, many))["label"] == [8] * 5


def test_one_bad_image_of_several(client: httpx2.Client) -> None:
    bad = base64.b64encode(b"\xff\xd8\xff nothing").decode()
    response = infer(client, tensor(shape=[3], data=[TEXT8, bad, TEXT8]))
    assert response.status_code == 400
    error = response.json()["error"]
    assert error.startswith("Invalid image data: ")
    assert error.endswith("(image 2 of 3)")


def test_labels_that_are_strings(client: httpx2.Client) -> None:
    file = io.BytesIO()
    draw_shape("circle", np.random.default_rng(12345)).save(file, "PNG")
    path = "/v2/models/shapes/infer"
    content = elements(file.getvalue())
    body, headers = packed({"inputs": [binary_tensor("image", content)]}, content)
    answer = client.post(path, content=body, headers=headers).json()
    assert answer["outputs"][0] == {
        "name": "label",
        "datatype": "BYTES",
        "shape": [1],
        "data": ["circle"],
    }
    asked = [{"name": "label", "parameters": {"binary_data": True}}]
    body, headers = packed({"inputs": [binary_tensor("image", content)], "outputs": asked}, content)
    assert outputs(client.post(path, content=body, headers=headers))["label"] == ["circle"]


def test_a_version_without_probabilities(client: httpx2.Client) -> None:
    path = "/v2/models/old/infer"
    answer = client.post(path, json={"inputs": [tensor()]}).json()
    assert [output["name"] for output in answer["outputs"]] == ["label"]
    asked = {"inputs": [tensor()], "outputs": [{"name": "probabilities"}]}
    response = client.post(path, json=asked)
    assert response.status_code == 400
    assert "gives no probabilities" in response.json()["error"]


def test_every_version_by_its_path(client: httpx2.Client) -> None:
    version = infer(client).json()["model_version"]
    for name in ("clf", "clf%3Achampion", "clf.pickle"):
        response = client.post(f"/v2/models/{name}/infer/", json={"inputs": [tensor()]})
        assert response.json()["model_version"] == version
    for wanted in (version, "champion"):
        path = f"/v2/models/clf/versions/{wanted}/infer"
        assert client.post(path, json={"inputs": [tensor()]}).json()["model_version"] == version


@pytest.mark.parametrize("path", ["nothing", "clf/versions/7", "clf%3Anope", "old/versions/x"])
def test_an_unknown_model_or_version(client: httpx2.Client, path: str) -> None:
    response = client.post(f"/v2/models/{path}/infer", json={"inputs": [tensor()]})
    assert response.status_code == 404
    assert list(response.json()) == ["error"]
    assert response.json()["error"].startswith("There is no model ")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_body(client: httpx2.Client, coding: str) -> None:
    content = elements(DIGIT8)
    body, headers = packed({"inputs": [binary_tensor("image", content)]}, content)
    compressed = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    headers["Content-Encoding"] = coding
    assert outputs(client.post(INFER, content=compressed, headers=headers))["label"] == [8]


def image_of(size: int) -> str:
    file = io.BytesIO()
    Image.new("L", (size, size)).save(file, "BMP")
    return base64.b64encode(file.getvalue()).decode()


def test_a_large_body(client: httpx2.Client) -> None:
    assert len(outputs(infer(client, tensor(data=[image_of(700)])))["label"]) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b"{}", 400),
        (b"\xff\xd8\xff", 400),
        (b"{" + b" " * 11_000_000 + b"}", 413),
    ],
)
def test_errors_have_the_protocols_shape(client: httpx2.Client, body: bytes, status: int) -> None:
    response = client.post(INFER, content=body)
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert response.headers["content-type"] == "application/json"


def test_what_is_not_there(client: httpx2.Client) -> None:
    for path in ("/v2/nothing", "/v2/models", "/v2/models/clf/nothing", "/v2/models//infer"):
        response = client.post(path, json={})
        assert response.status_code == 404
        assert list(response.json()) == ["error"]
    response = client.get(INFER)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json() == {"error": "/v2/models/clf/infer accepts POST only."}
    response = client.post(INFER, content=b"x", headers={"Content-Encoding": "zstd"})
    assert (response.status_code, list(response.json())) == (415, ["error"])
