"""The answer, put together: both ways to make it agree."""

import json
from typing import Any

import numpy as np
import pytest

from errors import BadRequestError
from models.manifest import Label, Manifest
from serving.oip.answer import NO_NUMBER, NO_TEXT, Answered, answer, outputs_of
from serving.oip.request import Asked, Output
from serving.oip.tensors import Tensor
from tests.serving.oip.asking import texts

SCORES = np.array([0.25, 0.5, 0.25], np.float32)


class Version:
    """As much of a manifest as an answer needs."""

    def __init__(self, labels: tuple[Label, ...], *, gives_probabilities: bool = True) -> None:
        self.labels = labels
        self.label_type = "string" if isinstance(labels[0], str) else "integer"
        self.gives_probabilities = gives_probabilities


NUMBERS: Any = Version((0, 1, 2))
TEXTS: Any = Version(("cat", "dog", "übel"))


def asked(outputs: tuple[Output, ...] | None = None, *, binary: bool = False) -> Asked:
    return Asked("7", Tensor("image", (1,), [b"x"]), outputs, binary)


def made(
    of: Asked, manifest: Manifest, label: Label | None, images: int = 1
) -> tuple[dict[str, Any], bytes]:
    """The JSON of an answer, and what follows it."""
    outputs = outputs_of(of, manifest, "clf:1")
    reply = answer(of, outputs, [Answered(label, SCORES, manifest)] * images, "clf", "1")
    headers = dict(reply.headers)
    assert int(headers[b"content-length"]) == len(reply.body)
    length = int(headers.get(b"inference-header-content-length", len(reply.body)))
    return json.loads(reply.body[:length]), reply.body[length:]


@pytest.mark.parametrize(("manifest", "label"), [(NUMBERS, 1), (NUMBERS, -5), (TEXTS, "übel")])
def test_the_fast_way_says_the_same(manifest: Any, label: Label) -> None:
    fast = made(asked(binary=True), manifest, label)
    named = (Output("label", True), Output("probabilities", True))
    slow = made(asked(named), manifest, label)
    assert fast == slow
    assert fast[1].endswith(SCORES.tobytes())


@pytest.mark.parametrize(("manifest", "wanted"), [(NUMBERS, NO_NUMBER), (TEXTS, NO_TEXT)])
def test_a_version_that_abstains(manifest: Any, wanted: Label) -> None:
    content, _ = made(asked(), manifest, None)
    assert content["outputs"][0]["data"] == [wanted]
    fast = made(asked(binary=True), manifest, None)
    assert fast == made(
        asked((Output("label", True), Output("probabilities", True))), manifest, None
    )


def test_equal_probabilities_keep_the_order_of_the_labels() -> None:
    content, tail = made(asked((Output("probabilities", False, 3),)), TEXTS, "dog", images=2)
    assert content["outputs"][0]["shape"] == [2, 3]
    assert content["outputs"][0]["data"][:3] == [
        *("0.500000:1:dog", "0.250000:0:cat", "0.250000:2:übel")
    ]
    assert tail == b""
    _, tail = made(asked((Output("probabilities", True, 1),)), TEXTS, "dog", images=2)
    assert texts(tail) == ["0.500000:1:dog"] * 2


def test_probabilities_that_there_are_none_of() -> None:
    without: Any = Version((0, 1, 2), gives_probabilities=False)
    content, tail = made(asked(binary=True), without, 2)
    assert [output["name"] for output in content["outputs"]] == ["label"]
    assert tail == (2).to_bytes(8, "little")
    with pytest.raises(BadRequestError, match="gives no probabilities"):
        made(asked((Output("probabilities", False),)), without, 2)
