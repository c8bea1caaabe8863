"""What both of Triton's clients are asked alike, and how an answer is printed; nothing of ours."""

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from tritonclient.utils import InferenceServerException


def call(name: str, ask: Callable[[], Any], said: Callable[[Any], Any]) -> None:
    """Print a line of JSON; ``said``: an answer as JSON has it."""
    try:
        answer = said(ask())
    except InferenceServerException as error:
        answer = f"{error.status()}: {error.message()}"
    sys.stdout.write(json.dumps({"call": name, "answer": answer}) + "\n")


def plain(value: Any) -> Any:
    """What NumPy's ``tolist`` gives, with text in place of bytes."""
    if isinstance(value, bytes):
        return value.decode()
    return [plain(one) for one in value] if isinstance(value, list) else value


def ask_wrongly(
    call: Callable[[str, Callable[[], Any]], None],
    client: Any,
    files: Any,
    tensor: Callable[[str, Any, str], Any],
    output: Callable[[str], Any],
) -> None:
    """What is refused; ``files``: a right input, ``tensor`` and ``output`` make others."""
    for name, content, datatype in (
        ("photo", np.array([b"x"], object), "BYTES"),
        ("image", np.zeros((1, 8, 8, 1), np.uint8), "UINT8"),
        ("pixels", np.zeros((1, 9, 9, 1), np.uint8), "UINT8"),
        ("features", np.zeros((1, 63), np.float32), "FP32"),
        ("features", np.zeros((1, 64), np.float64), "FP64"),
        ("features", np.full((1, 64), np.nan, np.float32), "FP32"),
        ("image", np.array([b"\xff\xd8\xff"], object), "BYTES"),
        ("image", np.array([b"x"] * 257, object), "BYTES"),
    ):
        call(
            f"infer, {name} of {datatype} and shape {list(content.shape)}",
            partial(client.infer, "clf", [tensor(name, content, datatype)]),
        )
    call(
        "infer, an output that there is none of",
        lambda: client.infer("clf", [files], outputs=[output("scores")]),
    )
    call("load_model(clf)", lambda: client.load_model("clf"))
    call("unload_model(clf)", lambda: client.unload_model("clf"))
    call("get_inference_statistics()", client.get_inference_statistics)
    call("get_trace_settings()", client.get_trace_settings)
    call("get_log_settings()", client.get_log_settings)
    call("get_system_shared_memory_status()", client.get_system_shared_memory_status)
