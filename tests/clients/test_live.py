"""The real clients of the Open Inference Protocol, each in an environment and process of its own.

``make clients-test`` makes the environments, and prints each call with its answer. With RECORD=1 it
also writes down what the clients sent, which ``test_recorded.py`` sends again.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from serving.grpc.messages import messages
from tests.clients.environments import interpreter
from tests.clients.proxy import recording
from tests.servers import ROOT, Server, free_port, serve

HERE = Path(__file__).parent
IMAGE = HERE.parent / "data" / "digit8.jpg"

pytestmark = pytest.mark.skipif(
    "CLIENTS" not in os.environ, reason="make clients-test installs the clients"
)

REFUSED = {
    "triton_http": {
        "get_model_metadata(nothing)": "404",
        "get_model_config(nothing)": "404",
        "infer(nothing)": "404",
        "infer, of no version": "404",
        "infer, two inputs": "400",
        "infer, photo of BYTES and shape [1]": "400",
        "infer, image of UINT8 and shape [1, 8, 8, 1]": "400",
        "infer, pixels of UINT8 and shape [1, 9, 9, 1]": "400",
        "infer, features of FP32 and shape [1, 63]": "400",
        "infer, features of FP64 and shape [1, 64]": "400",
        "infer, features of FP32 and shape [1, 64]": "400",
        "infer, image of BYTES and shape [1]": "400",
        "infer, image of BYTES and shape [257]": "400",
        "infer, an output that there is none of": "400",
        "load_model(clf)": "404",
        "unload_model(clf)": "404",
        "get_inference_statistics()": "404",
        "get_trace_settings()": "404",
        "get_log_settings()": "404",
        "get_system_shared_memory_status()": "404",
    },
    "kserve_rest": {
        "infer(nothing)": "404",
        "infer, a wrong name": "400",
        "infer, a wrong shape": "400",
        "infer, a wrong datatype": "400",
        "infer, no image": "400",
    },
}

_INVALID = "StatusCode.INVALID_ARGUMENT"
_UNKNOWN = "StatusCode.NOT_FOUND"
_NO_METHOD = "StatusCode.UNIMPLEMENTED"
REFUSED_BY_GRPC = {
    call: {"400": _INVALID, "404": _UNKNOWN}[status]
    for call, status in REFUSED["triton_http"].items()
} | {
    "get_model_config(clf)": _NO_METHOD,
    "load_model(clf)": _NO_METHOD,
    "unload_model(clf)": _NO_METHOD,
    "get_inference_statistics()": _NO_METHOD,
    "get_trace_settings()": _NO_METHOD,
    "get_log_settings()": _NO_METHOD,
    "get_system_shared_memory_status()": _NO_METHOD,
}
del REFUSED_BY_GRPC["get_model_config(nothing)"]


def calls(name: str, address: str) -> dict[str, Any]:
    """What a client's script prints: each call and its answer."""
    done = subprocess.run(
        [str(interpreter(name)), "-m", f"tests.clients.{name}", address, str(IMAGE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"call"')]
    return {line["call"]: line["answer"] for line in lines}


@pytest.mark.parametrize("name", REFUSED)
def test_every_call_of_a_client(
    name: str, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    with recording(server.url) as (address, kept):
        found = calls(name, address if name == "triton_http" else f"http://{address}")
    show(capsys, f"{name}: {len(found)} calls, {len(kept)} requests", found)
    if "RECORD" in os.environ:
        asked = [{key: one[key] for key in one if key != "answer"} for one in kept]
        text = json.dumps(asked, indent=1) + "\n"
        (HERE / "recorded" / f"{name}.json").write_text(text, encoding="utf-8")
    check(found, REFUSED[name])


def test_every_call_over_grpc(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = f"127.0.0.1:{free_port()}"
    with serve(home, grpc_address=address):
        found = calls("triton_grpc", address)
    theirs = found.pop("fields")
    show(capsys, f"triton_grpc: {len(found)} calls", found)
    check(found, REFUSED_BY_GRPC)
    for name, message in messages().items():
        fields = [[f.name, f.number, f.type, f.is_repeated] for f in message.DESCRIPTOR.fields]
        assert fields == [one for one in theirs[name] if one[0] in {f[0] for f in fields}], name


def show(capsys: pytest.CaptureFixture[str], title: str, found: dict[str, Any]) -> None:
    with capsys.disabled():
        print(f"\n{title}")
        for call, answer in found.items():
            print(f"  {call}\n    {json.dumps(answer)[:300]}")


def check(found: dict[str, Any], refused: Mapping[str, str]) -> None:
    """Those calls are refused, with these statuses, and all others answered rightly."""
    assert refused.keys() <= found.keys()
    for call, answer in found.items():
        status = refused.get(call)
        if status is not None:
            assert isinstance(answer, str), call
            assert status in answer, (call, answer)
        else:
            assert not isinstance(answer, str), (call, answer)
    labels = [answer["label"] for answer in found.values() if has_label(answer)]
    assert labels.count([8]) >= 3


def has_label(answer: Any) -> bool:
    return isinstance(answer, dict) and "label" in answer
