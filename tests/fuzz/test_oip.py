"""Mutations of bodies of the Open Inference Protocol, in JSON and binary, with lengths that lie."""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.fuzz.attack import SEED, Outcome, Request, attack, check, mutated
from tests.servers import Server
from tests.serving.oip.asking import (
    DIGIT8,
    FEATURES8,
    HEADER_LENGTH,
    PIXELS8,
    binary_tensor,
    elements,
    packed,
    tensor,
)

IMAGES = elements(DIGIT8, DIGIT8)
NUMBERS = FEATURES8.astype("<f4").tobytes()
BOTH = [
    {"name": "probabilities", "parameters": {"classification": 2, "binary_data": True}},
    {"name": "label"},
]
BODIES = (
    packed({"id": "7", "inputs": [tensor()], "outputs": BOTH}, b""),
    packed({"inputs": [tensor("features")]}, b""),
    packed({"inputs": [tensor("pixels")], "parameters": {"binary_data_output": True}}, b""),
    packed({"inputs": [binary_tensor("image", IMAGES, shape=[2])]}, IMAGES),
    packed({"inputs": [binary_tensor("features", NUMBERS)], "outputs": BOTH}, NUMBERS),
    packed({"inputs": [binary_tensor("pixels", PIXELS8.tobytes())]}, PIXELS8.tobytes()),
    (DIGIT8, {HEADER_LENGTH: "0"}),
)
PATHS = (
    *["/v2/models/clf/infer"] * 6,
    "/v2/models/clf/versions/champion/infer/",
    "/v2/models/old/infer",
    "/v2/models/%ff%00/infer",
    "/v2/repository/index",
    "/v2/models/clf",
)
# In the places of values of the JSON.
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 257, 2**31, 2**63, 2**64, 1e308, 0.5, "", "image", "FP32", "BYTES"),
    *([], [1], [[1]], [[[]]], [-1, 64], [2**40, 2**40], {}, {"binary_data_size": 2**62}),
)


def changed(value: Any, draw: random.Random) -> Any:
    """The value with something else in one of its places."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(list(value))
        return value | {key: changed(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.8:
        at = draw.randrange(len(value))
        return [*value[:at], changed(value[at], draw), *value[at + 1 :]]
    return draw.choice(ODD)


def requests(count: int) -> Iterator[Request]:
    draw = random.Random(SEED)
    for _ in range(count):
        body, known = draw.choice(BODIES)
        headers = dict(known)
        length = int(headers[HEADER_LENGTH])
        kind = draw.randrange(4)
        if kind == 0 and length:
            head = json.dumps(changed(json.loads(body[:length]), draw)).encode()
            body = head + body[length:]
            headers[HEADER_LENGTH] = str(len(head))
        elif kind == 1 and body[length:]:
            body = body[:length] + mutated(body[length:], draw)
        elif kind == 2:
            body = mutated(body, draw)
        if draw.random() < 0.2:
            lies = (0, 1, length - 1, length + 1, len(body), len(body) + 1, -1, 2**31, 2**70, "x")
            headers[HEADER_LENGTH] = str(draw.choice(lies))
        if draw.random() < 0.1:
            del headers[HEADER_LENGTH]
        if draw.random() < 0.1:
            body = gzip.compress(body)
            headers["Content-Encoding"] = draw.choice(("gzip", "gzip", "deflate", "zstd"))
        yield Request(draw.choice(PATHS), headers, body)


def test_mutated_tensors(target: Server, record_property: Callable[[str, object], None]) -> None:
    def run(count: int) -> Outcome:
        return attack(target, requests(count), "error")

    check(target, record_property, "tensors", run)
