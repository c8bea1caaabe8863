"""Bodies as people send them: an image as it is, a form, compressed JSON."""

import gzip
import json
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.servers import Server

JPEG = Path("tests/data/digit8.jpg")
ASKED = Path("tests/data/predict_digit8.json").read_bytes()


def curl(url: str, *arguments: str) -> object:
    command = ["curl", "--silent", "--show-error", *arguments, url]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def test_an_image_as_it_is(client: httpx2.Client) -> None:
    answer = client.post(
        "/predict/clf",
        content=JPEG.read_bytes(),
        headers={"content-type": "image/jpeg", "x-request-id": "7"},
    )
    assert answer.json() == {"request_id": "7", "prediction": 8}
    assert answer.headers["x-request-id"] == "7"
    assert answer.headers["x-model-version"].startswith("clf:")


def test_an_id_is_made_and_told_even_with_an_error(client: httpx2.Client) -> None:
    answer = client.post("/predict/clf?probabilities=true", content=JPEG.read_bytes())
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert len(answer.json()["probabilities"]) == 10
    refused = client.post("/predict/other/", content=JPEG.read_bytes())
    assert (refused.status_code, refused.json()) == (400, {"detail": "Invalid model name"})
    assert refused.headers["x-request-id"]


def test_a_form(client: httpx2.Client) -> None:
    answer = client.post("/predict/", files={"image": JPEG.read_bytes()}, data={"model": "clf"})
    assert answer.json()["prediction"] == 8


def test_a_form_of_several_images(client: httpx2.Client) -> None:
    files = [("image", JPEG.read_bytes()), ("image", b"?"), ("image", JPEG.read_bytes())]
    answer = client.post("/predict/clf", files=files, headers={"x-request-id": "a"})
    first, second, third = answer.json()["items"]
    assert first == {"request_id": "a-1", "prediction": 8}
    assert second["detail"].startswith("Invalid image data: ")
    assert third == {"request_id": "a-3", "prediction": 8}


@pytest.mark.parametrize("path", ["/predict/", "/predict", "/predict/clf", "/predict/clf/"])
def test_compressed_json(client: httpx2.Client, path: str) -> None:
    answer = client.post(path, content=gzip.compress(ASKED), headers={"content-encoding": "gzip"})
    assert answer.json()["prediction"] == 8


def test_a_coding_that_is_not_read(client: httpx2.Client) -> None:
    answer = client.post("/predict/", content=ASKED, headers={"content-encoding": "zstd"})
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip, deflate, br"
    assert "gzip, deflate or br" in answer.json()["detail"]


def test_a_small_body_that_becomes_too_large(client: httpx2.Client) -> None:
    bomb = gzip.compress(bytes(100_000_000), 1)
    answer = client.post("/feedback/", content=bomb, headers={"content-encoding": "gzip"})
    assert answer.status_code == 413


def test_a_path_of_another_depth_is_unknown(client: httpx2.Client) -> None:
    assert client.post("/predict/a/b", content=ASKED).status_code == 404
    assert client.get("/predict/clf").status_code == 405


def test_curl(server: Server) -> None:
    url = f"{server.url}/predict/clf"
    told = curl(url, "--data-binary", f"@{JPEG}", "-H", "Content-Type: image/jpeg")
    assert isinstance(told, dict)
    assert told["prediction"] == 8
    told = curl(f"{server.url}/predict/", "-F", f"image=@{JPEG}", "-F", "model=clf")
    assert isinstance(told, dict)
    assert told["prediction"] == 8
