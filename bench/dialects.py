"""How each server wants to be asked, and where in its answer the label is."""

from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True)
class Dialect:
    """``body`` makes the JSON of a request's id and an image in base64, or the bytes of an image
    file; ``label`` raises where an answer holds none. Without ``label``, any answer of 200 is
    right. ``read`` makes of an answer's bytes what ``label`` takes; ``headers``: more of them."""

    path: str
    body: Callable[[str, str], object]
    label: Callable[[Any], object] | None
    read: Callable[[bytes], Any] = orjson.loads
    headers: Callable[[bytes], str] = lambda _: ""

    def request(self, number: int, image: str, secret: str = "") -> bytes:
        """The whole HTTP request, with a key where there is a secret."""
        body = self.body(str(number), image)
        is_file = isinstance(body, bytes)
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: {'image/jpeg' if is_file else 'application/json'}\r\n"
            f"Content-Length: {len(content)}\r\n"
        )
        head += f"X-Request-ID: {number}\r\n" if is_file and not self.headers(content) else ""
        head += self.headers(content)
        head += f"Authorization: Bearer {secret}\r\n\r\n" if secret else "\r\n"
        return head.encode() + content


def _fields(request_id: str, image: str) -> object:
    return {"request_id": request_id, "model": "clf", "image": image}


def _v2(request_id: str, image: str) -> object:
    tensor = {"name": "image", "shape": [1, 1], "datatype": "BYTES", "data": [image]}
    return {"id": request_id, "inputs": [tensor]}


_HEADER_LENGTH = "Inference-Header-Content-Length"
_END = b"]}"


def _tensors(request_id: str, image: str) -> bytes:
    """As Triton's client sends it: the image after the JSON, and both outputs wanted like that."""
    element = b64decode(image)
    content = len(element).to_bytes(4, "little") + element
    fields = {
        "id": request_id,
        "parameters": {"binary_data_output": True},
        "inputs": [
            {
                "name": "image",
                "shape": [1],
                "datatype": "BYTES",
                "parameters": {"binary_data_size": len(content)},
            }
        ],
    }
    return orjson.dumps(fields) + content


def _length_of_json(content: bytes) -> str:
    return f"{_HEADER_LENGTH}: {content.index(_END) + len(_END)}\r\n"


def _label_after_json(answer: bytes) -> int:
    """The first tensor of an answer, an integer of eight bytes."""
    at = answer.index(_END) + len(_END)
    return int.from_bytes(answer[at : at + 8], "little", signed=True)


DIALECTS = {
    "fields": Dialect("/predict/", _fields, lambda answer: answer["prediction"]),
    "file": Dialect(
        "/predict/clf", lambda _id, image: b64decode(image), lambda answer: answer["prediction"]
    ),
    "floor": Dialect("/predict/", _fields, None),
    "list": Dialect("/predict/", lambda _id, image: {"images": [image]}, lambda answer: answer[0]),
    "v2": Dialect("/v2/models/clf/infer", _v2, lambda answer: answer["outputs"][0]["data"][0]),
    "v2_binary": Dialect(
        "/v2/models/clf/infer",
        _tensors,
        lambda answer: answer,
        read=_label_after_json,
        headers=_length_of_json,
    ),
    "mlflow": Dialect(
        "/invocations",
        lambda _id, image: {"inputs": [image]},
        lambda answer: answer["predictions"][0],
    ),
}
