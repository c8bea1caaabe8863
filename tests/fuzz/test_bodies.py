"""Mutations of JSON, forms and compressed bodies, with headers that fit them or do not."""

import gzip
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import brotli

from tests.fuzz.attack import SEED, Outcome, Request, attack, check, mutated
from tests.servers import Server

JPEG = Path("tests/data/digit8.jpg").read_bytes()
JSON = Path("tests/data/predict_digit8.json").read_bytes()
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nclf\r\n'
    b'--b\r\nContent-Disposition: form-data; name="request_id"\r\n\r\n7\r\n'
    b'--b\r\nContent-Disposition: form-data; name="image"; filename="8.jpg"\r\n'
    b"Content-Type: image/jpeg\r\n\r\n" + JPEG + b"\r\n--b--\r\n"
)
BATCH = b'{"model":"clf","items":[' + b",".join([JSON] * 3) + b"]}"
LABELS = b'[{"request_id":"123","label":8},{"request_id":1,"label":"a","source":"b"}]'
BODIES = (JSON, FORM, BATCH, LABELS, JPEG)
TYPES = (
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    'multipart/form-data; boundary="b',
    "application/json",
    "image/png",
    "x" * 300,
)
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": bytes,
    "": bytes,
}
PATHS = (
    "/predict/",
    "/predict",
    "/predict/clf",
    "/predict/clf?probabilities=true",
    "/predict/%00%ff",
    "/predict/batch/",
    "/feedback/",
)


def requests(count: int) -> Iterator[Request]:
    draw = random.Random(SEED)
    for _ in range(count):
        body = draw.choice(BODIES)
        if draw.random() < 0.7:
            body = mutated(body, draw)
        headers = {}
        if draw.random() < 0.8:
            headers["Content-Type"] = draw.choice(TYPES)
        if draw.random() < 0.5:
            coding = draw.choice(list(CODINGS))
            body = CODINGS[draw.choice((coding, "gzip"))](body)
            headers["Content-Encoding"] = coding
            if draw.random() < 0.5:
                body = mutated(body, draw)
        if draw.random() < 0.2:
            headers["X-Request-ID"] = draw.choice(("a", "a" * 200, "\xe9", "a b"))
        yield Request(draw.choice(PATHS), headers, body)


def test_mutated_bodies(target: Server, record_property: Callable[[str, object], None]) -> None:
    def run(count: int) -> Outcome:
        return attack(target, requests(count))

    check(target, record_property, "bodies", run)
