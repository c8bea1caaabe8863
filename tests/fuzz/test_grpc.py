"""Mutations of messages of gRPC: bytes, fields of other kinds, and contents that do not fit."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from serving.grpc.messages import SERVICE, messages
from tests.fuzz.attack import CLIENTS, SEED, Outcome, check, mutated
from tests.servers import Server, free_port, serve
from tests.serving.oip.asking import DIGIT8, FEATURES8, PIXELS8, elements

grpc = pytest.importorskip("grpc")

# What only a fault of ours would be answered with; HTTP has 500 for both.
FAULTS = ("INTERNAL", "UNKNOWN")
SHAPES: tuple[list[int], ...] = (  # fmt: skip-me
    [],
    [1],
    [-1],
    [0],
    [257],
    [1, 64],
    [2, 64],
    [1, 8, 8, 1],
    [2**40, 2**40],
    [2**63 - 1],
)
PARAMETERS: tuple[dict[str, Any], ...] = (
    {},
    {"binary_data_size": {"int64_param": 2**62}},
    {"binary_data_size": {"string_param": "x"}},
    {"shared_memory_region": {"string_param": "x"}},
    {"classification": {"int64_param": -1}},
    {"classification": {"uint64_param": 2**64 - 1}},
    {"classification": {"double_param": float("nan")}},
    {"classification": {}},
)
CONTENTS: tuple[dict[str, Any], ...] = (
    {},
    {"bytes_contents": [DIGIT8]},
    {"bytes_contents": [DIGIT8, b""]},
    {"fp32_contents": FEATURES8.tolist()},
    {"fp32_contents": [float("inf")] * 64},
    {"uint_contents": PIXELS8.tolist()},
    {"uint_contents": [2**32 - 1] * 64},
    {"int64_contents": [-1]},
)
RAW: tuple[list[bytes], ...] = (
    [],
    [b""],
    [elements(DIGIT8)],
    [FEATURES8.astype("<f4").tobytes()],
    [PIXELS8.tobytes()],
)


RIGHT: tuple[tuple[str, str, list[int], dict[str, Any], list[bytes]], ...] = (
    ("image", "BYTES", [1], CONTENTS[1], RAW[2]),
    ("features", "FP32", [1, 64], CONTENTS[3], RAW[3]),
    ("pixels", "UINT8", [1, 8, 8, 1], CONTENTS[5], RAW[4]),
)


def request(draw: random.Random) -> bytes:
    """A message with some odd fields; in a quarter of the cases its bytes are changed too."""

    def mostly(right: Any, odd: Sequence[Any]) -> Any:
        return draw.choice(odd) if draw.random() < 0.1 else right

    name, kind, shape, contents, raw = draw.choice(RIGHT)
    is_raw = draw.random() < 0.5
    tensor = {
        "name": mostly(name, ("", "photo")),
        "datatype": mostly(kind, ("FP64", "BYTES", "")),
        "shape": mostly(shape, SHAPES),
        "parameters": mostly({}, PARAMETERS),
        "contents": mostly({} if is_raw else contents, CONTENTS),
    }
    outputs = [
        {"name": mostly("probabilities", ("label", "")), "parameters": draw.choice(PARAMETERS)}
        for _ in range(mostly(0, (1, 2, 3)))
    ]
    message = messages()["ModelInferRequest"](
        model_name=mostly("clf", ("old", "", "\0")),
        model_version=mostly("", ("champion", "7")),
        id=mostly("", ("7", "x" * 1000)),
        parameters=mostly({}, PARAMETERS),
        inputs=[tensor] * mostly(1, (0, 2)),
        outputs=outputs,
        raw_input_contents=mostly(raw if is_raw else [], (*RAW, RAW[2] * 2)),
    )
    data: bytes = message.SerializeToString()
    return mutated(data, draw) if draw.random() < 0.25 else data


OTHERS: dict[str, dict[str, Any]] = {
    "ServerLive": {},
    "ServerReady": {},
    "ServerMetadata": {},
    "ModelReady": {"name": "clf", "version": "champion"},
    "ModelMetadata": {"name": "clf"},
    "RepositoryIndex": {"ready": True},
}


def requests(count: int) -> Iterator[tuple[str, bytes]]:
    """Methods and messages."""
    draw = random.Random(SEED)
    for _ in range(count):
        if draw.random() < 0.8:
            yield "ModelInfer", request(draw)
            continue
        method = draw.choice(list(OTHERS))
        data = messages()[f"{method}Request"](**OTHERS[method]).SerializeToString()
        if draw.random() < 0.8:
            data = mutated(draw.choice((data, b"\x0a\x03clf", b"\x2a\x00" * 10_000)), draw)
        yield method, data


@pytest.fixture(scope="module")
def asked(home: Path) -> Iterator[tuple[Server, str]]:
    address = f"127.0.0.1:{free_port()}"
    with serve(home, grpc_address=address) as server:
        yield server, address


def test_mutated_messages(
    asked: tuple[Server, str], record_property: Callable[[str, object], None]
) -> None:
    server, address = asked

    def run(count: int) -> Outcome:
        outcome = Outcome()
        with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(CLIENTS) as pool:

            def send(asked: tuple[str, bytes]) -> None:
                method, data = asked
                began, code, words = time.monotonic(), "OK", ""
                try:
                    channel.unary_unary(f"/{SERVICE}/{method}")(data, timeout=60)
                except grpc.RpcError as error:
                    code, words = error.code().name, error.details()
                outcome.statuses[code] += 1
                outcome.longest = max(outcome.longest, time.monotonic() - began)
                if code in FAULTS or (code != "OK" and not words):
                    outcome.faults.append(f"{code}: {method}: {words}: {data[:60]!r}")

            list(pool.map(send, requests(count)))
        return outcome

    check(server, record_property, "messages", run)
