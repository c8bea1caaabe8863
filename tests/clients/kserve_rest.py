"""Every call of ``kserve``'s ``InferenceRESTClient``; run by the interpreter of an environment of
its own: ``python kserve_rest.py url image``. Prints a line of JSON for each."""

import asyncio
import base64
import json
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, InferResponse
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

url = sys.argv[1]
image = Path(sys.argv[2]).read_bytes()
text = base64.b64encode(image).decode()


def said(value: Any) -> Any:
    if isinstance(value, InferResponse):
        return {output.name: np.array(output.data).tolist() for output in value.outputs}
    return value


async def call(name: str, asking: Awaitable[Any]) -> None:
    try:
        answer = said(await asking)
    except httpx.HTTPStatusError as error:
        answer = str(error).replace(url, "")
    sys.stdout.write(json.dumps({"call": name, "answer": answer}) + "\n")


def binary(name: str, content: Any, datatype: str) -> InferInput:
    made = InferInput(name, list(content.shape), datatype)
    made.set_data_from_numpy(content)
    return made


async def main() -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2", verify=False))

    def infer(*inputs: InferInput, model: str = "clf", **more: Any) -> Awaitable[Any]:
        request = InferRequest(model, list(inputs), "1", **more)
        answer: Awaitable[Any] = client.infer(url, request, model_name=model)
        return answer

    in_json = InferInput("image", [1], "BYTES", [text], {"content_type": "base64"})
    pixels = np.full((1, 8, 8, 1), 7, np.uint8)
    await call("is_server_ready()", client.is_server_ready(url))
    await call("is_server_live()", client.is_server_live(url))
    for model in ("clf", "nothing"):
        await call(f"is_model_ready({model})", client.is_model_ready(url, model))
        await call(f"infer({model})", infer(in_json, model=model))
    await call("infer, binary", infer(binary("image", np.array([image], object), "BYTES")))
    await call("infer, pixels", infer(binary("pixels", pixels, "UINT8")))
    await call(
        "infer, features", infer(binary("features", np.full((1, 64), 0.5, np.float32), "FP32"))
    )
    await call(
        "infer, an array",
        infer(InferInput("features", [1, 64], "FP32", np.full((1, 64), 0.5, np.float32))),
    )
    for is_binary in (True, False):
        wanted = RequestedOutput("probabilities", {"binary_data": is_binary})
        await call(f"infer, binary_data {is_binary}", infer(in_json, request_outputs=[wanted]))
    body = {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [text]}]}
    await call("infer, a dictionary", client.infer(url, body, model_name="clf"))
    await call("infer, a wrong name", infer(InferInput("photo", [1], "BYTES", [text])))
    await call("infer, a wrong shape", infer(binary("pixels", pixels[:, :7], "UINT8")))
    await call("infer, a wrong datatype", infer(binary("features", pixels, "UINT8")))
    await call("infer, no image", infer(InferInput("image", [1], "BYTES", ["/9j/"])))
    await client.close()


asyncio.run(main())
