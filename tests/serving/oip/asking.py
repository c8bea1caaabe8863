"""Requests of the Open Inference Protocol, and what comes back, put together by hand."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from images.decoding import read_pixels
from images.spec import ImageSpec

DATA = Path(__file__).parents[2] / "data"
DIGIT8 = base64.b64decode(json.loads((DATA / "predict_digit8.json").read_bytes())["image"])
TEXT8 = base64.b64encode(DIGIT8).decode()
SPEC = ImageSpec.parse("digits")
PIXELS8 = read_pixels(DIGIT8, SPEC)
FEATURES8 = SPEC.features(PIXELS8)
INFER = "/v2/models/clf/infer"
HEADER_LENGTH = "Inference-Header-Content-Length"


def tensor(name: str = "image", **changes: Any) -> dict[str, Any]:
    """An input; by default the image of an 8 as base64."""
    known: dict[str, dict[str, Any]] = {
        "image": {"datatype": "BYTES", "shape": [1], "data": [TEXT8]},
        "features": {"datatype": "FP32", "shape": [1, 64], "data": FEATURES8.tolist()},
        "pixels": {"datatype": "UINT8", "shape": [1, 8, 8, 1], "data": PIXELS8.tolist()},
    }
    fields = {"name": name, **known.get(name, known["image"]), **changes}
    return {key: value for key, value in fields.items() if value is not ...}


def elements(*files: bytes) -> bytes:
    """A tensor of BYTES."""
    return b"".join(struct.pack("<I", len(file)) + file for file in files)


def packed(fields: dict[str, Any], binary: bytes) -> tuple[bytes, dict[str, str]]:
    """A body with a tensor after its JSON, and the header that says where."""
    head = json.dumps(fields).encode()
    return head + binary, {HEADER_LENGTH: str(len(head))}


def binary_tensor(name: str, content: bytes, **changes: Any) -> dict[str, Any]:
    parameters = {"binary_data_size": len(content)}
    return tensor(name, data=..., parameters=parameters, **changes)


def infer(client: httpx2.Client, *inputs: dict[str, Any], **fields: Any) -> httpx2.Response:
    return client.post(INFER, json={"inputs": list(inputs) or [tensor()], **fields})


def outputs(response: httpx2.Response) -> dict[str, Any]:
    """The outputs of an answer by their names: lists, or arrays of those that are binary."""
    assert response.status_code == 200, response.text
    length = int(response.headers.get(HEADER_LENGTH, len(response.content)))
    found: dict[str, Any] = {}
    at = length
    for output in json.loads(response.content[:length])["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            found[output["name"]] = output["data"]
            continue
        part, at = response.content[at : at + size], at + size
        if output["datatype"] == "BYTES":
            found[output["name"]] = texts(part)
        else:
            kind = {"INT64": "<i8", "FP32": "<f4"}[output["datatype"]]
            found[output["name"]] = np.frombuffer(part, kind).reshape(output["shape"])
    assert at == len(response.content)
    return found


def texts(part: bytes) -> list[str]:
    found = []
    while part:
        (length,) = struct.unpack_from("<I", part)
        found.append(part[4 : 4 + length].decode())
        part = part[4 + length :]
    return found
