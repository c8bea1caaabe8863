"""What the Open Inference Protocol tells of server and models."""

import httpx2

from tests.serving.oip.asking import INFER


def test_the_server(client: httpx2.Client) -> None:
    for path in ("/v2", "/v2/"):
        answer = client.get(path).json()
        assert list(answer) == ["name", "version", "extensions"]
        assert "binary_tensor_data" in answer["extensions"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready/").json() == {"ready": True}
    assert client.head("/v2/health/ready").status_code == 200


def test_a_model(client: httpx2.Client) -> None:
    answer = client.get("/v2/models/clf").json()
    assert answer["name"] == "clf"
    assert [(one["name"], one["datatype"], one["shape"]) for one in answer["inputs"]] == [
        ("image", "BYTES", [-1]),
        ("features", "FP32", [-1, 64]),
        ("pixels", "UINT8", [-1, 8, 8, 1]),
    ]
    assert [(one["name"], one["datatype"], one["shape"]) for one in answer["outputs"]] == [
        ("label", "INT64", [-1]),
        ("probabilities", "FP32", [-1, 10]),
    ]
    assert answer["parameters"]["labels"] == list(range(10))
    version = answer["parameters"]["version"]
    assert version in answer["versions"]
    assert client.get(f"/v2/models/clf/versions/{version}").json() == answer


def test_a_model_of_strings_and_one_without_probabilities(client: httpx2.Client) -> None:
    shapes = client.get("/v2/models/shapes").json()
    assert shapes["outputs"][0]["datatype"] == "BYTES"
    old = client.get("/v2/models/old").json()
    assert [output["name"] for output in old["outputs"]] == ["label"]


def test_its_configuration(client: httpx2.Client) -> None:
    answer = client.get("/v2/models/clf/config").json()
    assert answer["max_batch_size"] == 256
    assert [(one["data_type"], one["dims"], one["optional"]) for one in answer["input"]] == [
        ("TYPE_STRING", [1], True),
        ("TYPE_FP32", [64], True),
        ("TYPE_UINT8", [8, 8, 1], True),
    ]
    assert [one["dims"] for one in answer["output"]] == [[1], [10]]


def test_whether_a_model_answers(client: httpx2.Client) -> None:
    for path in ("clf/ready", "old/ready", "clf/versions/champion/ready"):
        assert client.get(f"/v2/models/{path}").json()["ready"] is True
    for path in ("nothing/ready", "nothing", "nothing/config", "clf/versions/7/ready"):
        answer = client.get(f"/v2/models/{path}")
        assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_the_index(client: httpx2.Client) -> None:
    entries = client.post("/v2/repository/index").json()
    assert {entry["name"] for entry in entries} >= {"clf", "shapes", "old"}
    assert {entry["state"] for entry in entries} == {"READY"}
    assert client.post("/v2/repository/index", json={"ready": True}).json()
    for body in (b"[]", b"{", b'{"ready": 1}'):
        answer = client.post("/v2/repository/index", content=body)
        assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert client.get("/v2/repository/index").status_code == 405
    assert client.get(INFER).status_code == 405
