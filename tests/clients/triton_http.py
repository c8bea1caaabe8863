"""Every call of ``tritonclient.http`` that concerns a server like ours; run by the interpreter of
an environment of its own: ``python -m tests.clients.triton_http host:port image``. Prints JSON, a
line a call."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.http as http

from tests.clients import triton_calls
from tests.clients.triton_calls import ask_wrongly, plain

client = http.InferenceServerClient(sys.argv[1])
image = Path(sys.argv[2]).read_bytes()


def tensor(name: str, content: Any, datatype: str, *, binary: bool = True) -> http.InferInput:
    made = http.InferInput(name, list(content.shape), datatype)
    made.set_data_from_numpy(content, binary_data=binary)
    return made


def said(value: Any) -> Any:
    """As JSON has it."""
    if not isinstance(value, http.InferResult):
        return plain(value)
    names = [output["name"] for output in value.get_response()["outputs"]]
    return {name: plain(value.as_numpy(name).tolist()) for name in names}


call = partial(triton_calls.call, said=said)


files = tensor("image", np.array([image], object), "BYTES")
pixels = tensor("pixels", np.full((2, 8, 8, 1), 7, np.uint8), "UINT8")
features = tensor("features", np.full((1, 64), 0.5, np.float32), "FP32")
numbers = tensor("features", np.full((1, 64), 0.5, np.float32), "FP32", binary=False)
both = [
    http.InferRequestedOutput("probabilities", binary_data=False, class_count=2),
    http.InferRequestedOutput("label"),
]

call("is_server_live()", client.is_server_live)
call("is_server_ready()", client.is_server_ready)
call("get_server_metadata()", client.get_server_metadata)
for model in ("clf", "nothing"):
    call(f"is_model_ready({model})", partial(client.is_model_ready, model))
    call(f"get_model_metadata({model})", partial(client.get_model_metadata, model))
    call(f"get_model_config({model})", partial(client.get_model_config, model))
    call(f"infer({model})", partial(client.infer, model, [files], request_id="1"))
call("get_model_repository_index()", client.get_model_repository_index)
call("infer, of a version", lambda: client.infer("clf", [files], "champion"))
call("infer, of no version", lambda: client.infer("clf", [files], "7"))
call("infer, outputs and classes", lambda: client.infer("clf", [files], outputs=both))
for coding in ("gzip", "deflate"):
    call(
        f"infer, {coding}",
        partial(
            client.infer,
            "clf",
            [files],
            request_compression_algorithm=coding,
            response_compression_algorithm=coding,
        ),
    )
call("infer, pixels of two images", lambda: client.infer("clf", [pixels]))
call("infer, features", lambda: client.infer("clf", [features]))
call("infer, features in JSON", lambda: client.infer("clf", [numbers]))
call("async_infer", lambda: client.async_infer("clf", [files]).get_result())
call("infer, two inputs", lambda: client.infer("clf", [files, pixels]))
ask_wrongly(call, client, files, tensor, http.InferRequestedOutput)
