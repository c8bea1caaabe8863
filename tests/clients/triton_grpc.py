"""Every call of ``tritonclient.grpc`` that concerns a server like ours; run by the interpreter of
an environment of its own: ``python -m tests.clients.triton_grpc host:port image``. Prints JSON, a
line a call;
first the fields of the client's messages."""

import queue
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as grpc
from tritonclient.grpc import service_pb2

from tests.clients import triton_calls
from tests.clients.triton_calls import ask_wrongly, plain

client = grpc.InferenceServerClient(sys.argv[1])
image = Path(sys.argv[2]).read_bytes()


def tensor(name: str, content: Any, datatype: str) -> grpc.InferInput:
    made = grpc.InferInput(name, list(content.shape), datatype)
    made.set_data_from_numpy(content)
    return made


def said(value: Any) -> Any:
    """As JSON has it."""
    if not isinstance(value, grpc.InferResult):
        return plain(value)
    names = [output.name for output in value.get_response().outputs]
    return {name: plain(value.as_numpy(name).tolist()) for name in names}


call = partial(triton_calls.call, said=said)


def fields(message: Any, name: str = "") -> dict[str, list[tuple[str, int, int, bool]]]:
    """Name, number, type and whether it is repeated, of each field of a message and those in it."""
    name = f"{name}.{message.name}" if name else message.name
    found = {name: [(f.name, f.number, f.type, f.is_repeated) for f in message.fields]}
    for inner in message.nested_types:
        found |= fields(inner, name)
    return found


def asynchronous() -> Any:
    answers: queue.Queue[Any] = queue.Queue()
    client.async_infer("clf", [files], lambda result, error: answers.put(error or result))
    return answers.get(timeout=30)


files = tensor("image", np.array([image], object), "BYTES")
pixels = tensor("pixels", np.full((2, 8, 8, 1), 7, np.uint8), "UINT8")
features = tensor("features", np.full((1, 64), 0.5, np.float32), "FP32")
both = [
    grpc.InferRequestedOutput("probabilities", class_count=2),
    grpc.InferRequestedOutput("label"),
]
json_of = {"as_json": True}

messages = service_pb2.DESCRIPTOR.message_types_by_name.values()
call("fields", lambda: {name: f for one in messages for name, f in fields(one).items()})
call("is_server_live()", client.is_server_live)
call("is_server_ready()", client.is_server_ready)
call("get_server_metadata()", partial(client.get_server_metadata, **json_of))
for model in ("clf", "nothing"):
    call(f"is_model_ready({model})", partial(client.is_model_ready, model))
    call(f"get_model_metadata({model})", partial(client.get_model_metadata, model, **json_of))
    call(f"infer({model})", partial(client.infer, model, [files], request_id="1"))
call("get_model_repository_index()", partial(client.get_model_repository_index, **json_of))
call("infer, of a version", lambda: client.infer("clf", [files], "champion"))
call("infer, of no version", lambda: client.infer("clf", [files], "7"))
call("infer, outputs and classes", lambda: client.infer("clf", [files], outputs=both))
for coding in ("gzip", "deflate"):
    call(
        f"infer, {coding}",
        partial(client.infer, "clf", [files], compression_algorithm=coding),
    )
call("infer, pixels of two images", lambda: client.infer("clf", [pixels]))
call("infer, features", lambda: client.infer("clf", [features]))
call("infer, with a time limit", lambda: client.infer("clf", [files], client_timeout=20.0))
call("async_infer", asynchronous)
call("infer, two inputs", lambda: client.infer("clf", [files, pixels]))
call("get_model_config(clf)", lambda: client.get_model_config("clf"))
ask_wrongly(call, client, files, tensor, grpc.InferRequestedOutput)
