"""The contract with clients, row by row, in process and over HTTP."""

import base64
import io
import json
import pickle
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image

from tests.drawing import draw_shape

DATA = Path(__file__).parent / "data"
DIGIT8 = json.loads((DATA / "predict_digit8.json").read_bytes())


def encoded(image: Image.Image, kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


def predict(client: httpx2.Client, **changes: Any) -> httpx2.Response:
    body = {name: value for name, value in (DIGIT8 | changes).items() if value is not ...}
    return client.post("/predict/", json=body)


def test_predict_success(client: httpx2.Client) -> None:
    response = predict(client)
    assert response.status_code == 200
    assert response.json() == {"request_id": "123", "prediction": 8}


def test_missing_model_field(client: httpx2.Client) -> None:
    response = predict(client, model=...)
    assert response.status_code == 400
    assert response.json() == {"detail": "Model name is required"}


def test_nonexistent_model(client: httpx2.Client) -> None:
    response = predict(client, model="nonexistent")
    assert response.status_code == 400
    assert response.json() == {"detail": "Invalid model name"}


def test_the_answer_is_these_bytes(client: httpx2.Client) -> None:
    response = client.post("/predict/", content=(DATA / "predict_digit8.json").read_bytes())
    assert response.content == b'{"request_id":"123","prediction":8}'
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-model-version"].startswith("clf:")


def test_an_existing_client_with_broken_base64(client: httpx2.Client) -> None:
    content = (DATA / "predict_broken_base64.json").read_bytes()
    response = client.post("/predict/", content=content)
    assert response.status_code == 400
    assert response.json() == {"detail": "Invalid image data: it is not base64"}


def test_predict_without_a_slash_is_no_redirect(client: httpx2.Client) -> None:
    response = client.post("/predict", json=DIGIT8, follow_redirects=False)
    assert (response.status_code, response.json()["prediction"]) == (200, 8)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/x-www-form-urlencoded",
        "text/plain; charset=latin-1",
        "multipart/form-data; boundary=x",
        "application/vnd.bentoml+pickle",
        "image/png",
        "nonsense",
    ],
)
def test_the_body_is_json_whatever_its_type_says(
    client: httpx2.Client, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = client.post("/predict/", content=json.dumps(DIGIT8), headers=headers)
    assert (response.status_code, response.json()["prediction"]) == (200, 8)


class Bomb:
    """Would end whatever process unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os._exit, (1,)


@pytest.mark.parametrize(
    "content_type", ["application/vnd.bentoml+pickle", "application/json", "application/pickle"]
)
def test_nothing_is_unpickled(client: httpx2.Client, content_type: str) -> None:
    response = client.post(
        "/predict/", content=pickle.dumps(Bomb()), headers={"Content-Type": content_type}
    )
    assert response.status_code == 400
    assert response.json()["detail"].startswith("Body is not valid JSON")
    assert predict(client).status_code == 200


@pytest.mark.parametrize("request_id", ["x", "ü" * 128, 0, -5, 2**63])
def test_the_request_id_is_echoed_as_given(client: httpx2.Client, request_id: str | int) -> None:
    assert predict(client, request_id=request_id).json()["request_id"] == request_id


def test_probabilities_if_asked_for(client: httpx2.Client) -> None:
    answer = predict(client, probabilities=True).json()
    assert list(answer) == ["request_id", "prediction", "probabilities"]
    assert list(answer["probabilities"]) == [str(digit) for digit in range(10)]
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert max(answer["probabilities"], key=answer["probabilities"].__getitem__) == "8"


def test_probabilities_that_an_imported_classifier_does_not_give(client: httpx2.Client) -> None:
    response = predict(client, model="old", probabilities=True)
    assert response.status_code == 400
    assert "gives no probabilities" in response.json()["detail"]
    assert predict(client, model="old").json()["prediction"] == 8


def test_every_version_can_be_asked_for(client: httpx2.Client) -> None:
    tag = predict(client).headers["x-model-version"]
    for model in (tag, "clf:champion", "clf", "clf.pickle"):
        response = predict(client, model=model)
        assert response.headers["x-model-version"] == tag
        assert response.json()["prediction"] == 8


def test_labels_of_ones_own_folder_are_strings(client: httpx2.Client) -> None:
    image = encoded(draw_shape("circle", np.random.default_rng(12345)))
    assert predict(client, model="shapes", image=image).json()["prediction"] == "circle"


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP"])
def test_every_format_is_read(client: httpx2.Client, kind: str) -> None:
    with Image.open(DATA / "digit8.jpg") as jpeg:
        image = encoded(jpeg.resize((64, 64), Image.Resampling.NEAREST).convert("RGB"), kind)
    response = predict(client, image=image)
    assert (response.status_code, response.json().get("prediction")) == (200, 8)


def test_many_images_at_once(client: httpx2.Client) -> None:
    good = {"request_id": 1, "image": DIGIT8["image"]}
    body = {"model": "clf", "items": [good, {"request_id": 2, "image": "?"}] * 128}
    for path in ("/predict/batch/", "/predict/batch"):
        response = client.post(path, json=body, follow_redirects=False)
        assert response.status_code == 200
        assert (
            response.json()["items"]
            == [
                {"request_id": 1, "prediction": 8},
                {"request_id": 2, "detail": "Invalid image data: it is not base64"},
            ]
            * 128
        )
        assert response.headers["x-model-version"].startswith("clf:")


def test_too_many_images_at_once(client: httpx2.Client) -> None:
    response = client.post("/predict/batch/", json={"model": "clf", "items": [{}] * 257})
    assert response.status_code == 400
    assert response.json()["detail"].startswith("items must be an array of 1 to 256 objects")


@pytest.mark.parametrize("path", ["/feedback/", "/feedback"])
def test_feedback_to_a_prediction(client: httpx2.Client, path: str) -> None:
    predict(client, request_id="to be labelled")
    said = {"request_id": "to be labelled", "label": 8}
    response = client.post(path, json=said, follow_redirects=False)
    assert response.status_code == 200
    assert response.json()["outcome"] in {"added", "unchanged"}


def test_feedback_to_a_prediction_that_nobody_asked_for(client: httpx2.Client) -> None:
    response = client.post("/feedback/", json={"request_id": "nobody's", "label": 8})
    assert response.status_code == 404
    assert '"nobody\'s"' in response.json()["detail"]


def test_feedback_of_another_type(client: httpx2.Client) -> None:
    response = client.post("/feedback/", json={"request_id": "1", "label": [8]})
    assert response.status_code == 400
    assert response.json()["detail"].startswith("label must be an integer or a string")


def test_feedback_item_by_item(client: httpx2.Client) -> None:
    predict(client, request_id="to be labelled")
    items = [{"request_id": "to be labelled", "label": 8}, {"request_id": "nobody's", "label": 8}]
    response = client.post("/feedback/", json=items)
    assert response.status_code == 200
    first, second = response.json()
    assert first["known"] is True
    assert second["detail"].startswith("No prediction with request_id")


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"image": ...}, "Image data is required"),
        ({"image": ""}, "Image data is required"),
        ({"image": None}, "Image data is required"),
        ({"model": ...}, "Model name is required"),
        ({"model": ""}, "Model name is required"),
        ({"request_id": ...}, "Request id is required"),
        ({"request_id": ""}, "Request id is required"),
        ({"image": ..., "model": ..., "request_id": ...}, "Image data is required"),
        ({"model": ..., "request_id": ...}, "Model name is required"),
        ({"image": 5}, "image must be a string of base64, not a number."),
        ({"model": 5}, "model must be a string of 1 to 200 characters, not a number."),
        (
            {"request_id": 1.5},
            "request_id must be a string of 1 to 128 characters or a 64-bit integer, not a number.",
        ),
        ({"probabilities": "yes"}, "probabilities must be true or false, not a string."),
        ({"model": "other"}, "Invalid model name"),
        ({"model": "clf:nothing"}, "Invalid model name"),
        ({"model": "clf:challenger"}, "Invalid model name"),
        ({"model": "other.pickle"}, "Invalid model name"),
        ({"model": "../../etc/passwd"}, "Invalid model name"),
        ({"image": "%%%"}, "Invalid image data: it is not base64"),
    ],
)
def test_a_wrong_field(client: httpx2.Client, changes: dict[str, Any], detail: str) -> None:
    response = predict(client, **changes)
    assert response.status_code == 400
    assert response.json() == {"detail": detail}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"a=1&b=2"])
def test_a_body_that_is_no_json_object(client: httpx2.Client, body: bytes) -> None:
    response = client.post("/predict/", content=body)
    assert response.status_code == 400
    assert response.json()["detail"].startswith("Body is not valid JSON")


def damaged(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 80).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no image at all", id="no image"),
        pytest.param(damaged("JPEG")[:-400], id="truncated JPEG"),
        pytest.param(damaged("PNG")[:-1000], id="truncated PNG"),
        pytest.param(damaged("TIFF"), id="TIFF"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="only a signature"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="SVG"),
    ],
)
def test_an_image_that_is_none(client: httpx2.Client, content: bytes) -> None:
    response = predict(client, image=base64.b64encode(content).decode())
    assert response.status_code == 400
    assert response.json()["detail"].startswith("Invalid image data: ")


def test_an_image_of_too_many_pixels(client: httpx2.Client) -> None:
    image = encoded(Image.new("1", (6000, 5000)))
    response = predict(client, image=image)
    assert response.status_code == 400
    assert response.json()["detail"].startswith("Invalid image data: ")
    assert "25000000" in response.json()["detail"]


def test_a_body_declared_too_large(client: httpx2.Client) -> None:
    response = client.post("/predict/", content=b" " * (10 * 1024 * 1024 + 1))
    assert response.status_code == 413
    assert response.json() == {"detail": "The body is larger than the 10485760 bytes allowed."}


def test_a_body_streamed_too_large(client: httpx2.Client) -> None:
    response = client.post("/predict/", content=(b" " * 65536 for _ in range(161)))
    assert response.status_code == 413
    assert response.json() == {"detail": "The body is larger than the 10485760 bytes allowed."}


def test_the_page_asks_nobody_else(client: httpx2.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert "<title>Pupila</title>" in page.text
    assert "//" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self'")


@pytest.mark.parametrize(
    "path", ["/nothing", "/nothing/", "/predict/x/y", "/predict/batch/x", "/models/clf", "/%ff"]
)
def test_an_unknown_path(client: httpx2.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert list(response.json()) == ["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/predict/"),
        ("PUT", "/predict"),
        ("GET", "/feedback"),
        ("DELETE", "/predict/"),
        ("POST", "/models"),
        ("POST", "/livez"),
        ("PATCH", "/readyz"),
        ("POST", "/metrics"),
        ("POST", "/docs.json"),
    ],
)
def test_a_wrong_method(client: httpx2.Client, method: str, path: str) -> None:
    response = client.request(method, path)
    assert response.status_code == 405
    assert list(response.json()) == ["detail"]
    assert response.headers["allow"]


@pytest.mark.parametrize("path", ["/livez", "/healthz", "/readyz", "/metrics"])
def test_the_probes(client: httpx2.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")


def test_the_catalog(client: httpx2.Client) -> None:
    models = {model["name"]: model for model in client.get("/models").json()["models"]}
    assert {"clf", "shapes", "old"} <= models.keys()
    clf = models["clf"]
    assert clf["champion"] == predict(client).headers["x-model-version"]
    newest = clf["versions"][-1]
    assert newest["loaded"]
    assert newest["labels"] == list(range(10))
    assert newest["image_spec"] == "digits"
    assert newest["recipe"] == "svc"
    assert newest["accuracy"] >= 0.985
    assert newest["abstain"] is None


def test_the_document_names_every_route(client: httpx2.Client) -> None:
    document = client.get("/docs.json").json()
    others = {path for path in document["paths"] if path.startswith(("/v2", "/labelstudio"))}
    assert len(others) > 10
    assert set(document["paths"]) - others == {
        "/predict/", "/predict/{model}", "/predict/batch/", "/feedback/", "/models", "/livez",
        "/healthz", "/readyz", "/metrics", "/rollouts/", "/rollouts/history", "/rollouts/start",
        "/rollouts/pause", "/rollouts/resume", "/rollouts/promote", "/rollouts/abort",
    }  # fmt: skip
    responses = document["paths"]["/predict/"]["post"]["responses"]
    assert set(responses) == {
        "200", "400", "401", "403", "408", "413", "415", "429", "500", "503",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/models/", "/livez/", "/metrics/", "/docs.json/"])
def test_a_slash_too_many_changes_nothing(client: httpx2.Client, path: str) -> None:
    assert client.get(path, follow_redirects=False).status_code == 200
