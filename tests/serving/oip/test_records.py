"""What is recorded of tensors: images and pixels can be labelled, features are only counted."""

import uuid

import httpx2
import pytest

from tests.serving.oip.asking import infer, tensor
from tests.waiting import until


def asked(client: httpx2.Client, name: str, images: int = 1) -> str:
    """The id of a request that was answered."""
    request_id = uuid.uuid4().hex
    sent = tensor(name)
    shape, data = [images, *sent["shape"][1:]], sent["data"] * images
    response = infer(client, sent | {"shape": shape, "data": data}, id=request_id)
    assert response.status_code == 200, response.text
    return request_id


@pytest.mark.parametrize("name", ["image", "pixels"])
def test_what_is_an_image_can_be_labelled(client: httpx2.Client, name: str) -> None:
    label = {"request_id": asked(client, name), "label": 8}
    response = client.post("/feedback/", json=label)
    assert response.json()["outcome"] == "added", response.text
    assert response.json()["version"]


@pytest.mark.parametrize("name", ["image", "pixels"])
def test_each_of_several_has_its_number(client: httpx2.Client, name: str) -> None:
    request_id = asked(client, name, images=3)
    for number in (1, 3):
        label = {"request_id": f"{request_id}-{number}", "label": 8}
        assert client.post("/feedback/", json=label).json()["outcome"] == "added"


@pytest.mark.parametrize("images", [1, 2])
def test_features_are_not_kept(client: httpx2.Client, images: int) -> None:
    request_id = asked(client, "features", images)
    for item in (request_id, f"{request_id}-1"):
        response = client.post("/feedback/", json={"request_id": item, "label": 8})
        assert response.status_code == 404


def test_they_are_counted(client: httpx2.Client) -> None:
    route = 'route="/v2/models/{model}/infer"'

    def answered() -> float:
        lines = [
            line
            for line in client.get("/metrics").text.splitlines()
            if line.startswith("pupila_requests_total") and route in line and 'status="200"' in line
        ]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    before = answered()
    asked(client, "features")
    until(lambda: answered() > before, "the count")
