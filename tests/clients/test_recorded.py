"""What the real clients have sent, sent again: each request gets the status that it got then."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

RECORDED = {
    f"{path.stem} {number}: {request['method']} {request['path']}": request
    for path in sorted((Path(__file__).parent / "recorded").glob("*.json"))
    for number, request in enumerate(json.loads(path.read_bytes()))
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_request(in_process: httpx2.Client, name: str) -> None:
    request: dict[str, Any] = RECORDED[name]
    # The clients' own, and none of this one's.
    headers = {"content-type": "", **{k.lower(): v for k, v in request["headers"].items()}}
    answer = in_process.request(
        request["method"],
        request["path"],
        content=base64.b64decode(request["body"]),
        headers={key: value for key, value in headers.items() if value},
    )
    assert answer.status_code == request["status"]
    if answer.status_code >= 400:
        assert list(answer.json()) == ["error"]
    elif request["path"].endswith("infer"):
        length = int(answer.headers.get("Inference-Header-Content-Length", len(answer.content)))
        found = json.loads(answer.content[:length])
        assert found["model_name"] == "clf"
        sizes = [
            output["parameters"]["binary_data_size"]
            for output in found["outputs"]
            if "parameters" in output
        ]
        assert length + sum(sizes) == len(answer.content)


def test_there_are_requests_of_each_client() -> None:
    assert {name.split()[0] for name in RECORDED} == {"triton_http", "kserve_rest"}
