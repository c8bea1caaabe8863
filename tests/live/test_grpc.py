"""gRPC on a running server with keys, by the library that its clients are made of."""

import queue
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import numpy as np
import pytest

from models.store import Store
from serving.grpc.messages import SERVICE, messages
from tests.drafts import LinearDraft
from tests.forking import command
from tests.servers import Server, environment, free_port, serve
from tests.serving.oip.asking import DIGIT8, FEATURES8, PIXELS8, TEXT8, elements

grpc = pytest.importorskip("grpc")

IMAGE = {"name": "image", "datatype": "BYTES", "shape": [1]}


@dataclass
class Asked:
    """A server, its channel, and secrets of keys by their scopes."""

    server: Server
    channel: Any
    secrets: dict[str, str] = field(default_factory=dict)

    def __call__(
        self, method: str, message: Any = b"", scope: str = "predict", **options: Any
    ) -> Any:
        """The answer to a message, or to bytes in its place. Raises grpc.RpcError."""
        call = self.channel.unary_unary(
            f"/{SERVICE}/{method}",
            response_deserializer=messages()[f"{method}Response"].FromString,
        )
        data = message if isinstance(message, bytes) else message.SerializeToString()
        metadata = [("x-api-key", self.secrets[scope])] if scope else []
        return call(data, timeout=30, metadata=metadata, **options)

    def refusal(self, *arguments: Any, **options: Any) -> tuple[str, str]:
        with pytest.raises(grpc.RpcError) as caught:
            self(*arguments, **options)
        return caught.value.code().name, caught.value.details()


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    home = tmp_path_factory.mktemp("grpc")
    Store(home / "models").save(LinearDraft(seed=1))
    file = home / "keys"
    secrets = {}
    for scope in ("predict", "read", "label"):
        arguments = ("create", "--name", scope, "--scope", scope)
        secrets[scope] = command("keys", *arguments, env=environment(home, keys_file=file)).stdout
    address = f"127.0.0.1:{free_port()}"
    options = [("grpc.max_send_message_length", -1)]
    with (
        serve(home, grpc_address=address, keys_file=file, workers=2) as server,
        grpc.insecure_channel(address, options) as channel,
    ):
        yield Asked(server, channel, {scope: text.strip() for scope, text in secrets.items()})


def infer(content: dict[str, Any] = IMAGE, raw: bytes | None = None, **fields: Any) -> Any:
    more = {} if raw is None else {"raw_input_contents": [raw]}
    fields = {"model_name": "clf"} | fields
    return messages()["ModelInferRequest"](inputs=[content], **more, **fields)


def test_the_server_tells_about_itself(asked: Asked) -> None:
    assert asked("ServerLive", scope="").live
    assert asked("ServerReady", scope="").ready
    about = asked("ServerMetadata", scope="")
    assert about.name == "pupila"
    assert "classification" in about.extensions


def test_a_model_tells_what_it_takes(asked: Asked) -> None:
    named = messages()["ModelMetadataRequest"](name="clf")
    about = asked("ModelMetadata", named)
    assert [one.name for one in about.inputs] == ["image", "features", "pixels"]
    assert list(about.inputs[2].shape) == [-1, 8, 8, 1]
    ready = messages()["ModelReadyRequest"]
    assert asked("ModelReady", ready(name="clf")).ready
    assert asked("ModelReady", ready(name="clf", version=about.versions[0])).ready
    assert not asked("ModelReady", ready(name="nothing")).ready


def test_all_versions_are_listed(asked: Asked) -> None:
    index = asked("RepositoryIndex", messages()["RepositoryIndexRequest"](ready=True), "read")
    assert [(model.name, model.state) for model in index.models] == [("clf", "READY")]


@pytest.mark.parametrize(
    "message",
    [
        infer(raw=elements(DIGIT8)),
        infer(IMAGE | {"contents": {"bytes_contents": [DIGIT8]}}),
        infer({"name": "pixels", "datatype": "UINT8", "shape": [1, 64]}, PIXELS8.tobytes()),
        infer(
            {"name": "features", "datatype": "FP32", "shape": [1, 64]},
            FEATURES8.astype("<f4").tobytes(),
            model_version="champion",
        ),
    ],
)
def test_it_answers_as_over_http(asked: Asked, message: Any) -> None:
    body = {"request_id": "1", "model": "clf", "image": TEXT8, "probabilities": True}
    headers = {"X-API-Key": asked.secrets["predict"]}
    there = httpx2.post(f"{asked.server.url}/predict/", json=body, headers=headers).json()
    here = asked("ModelInfer", message)
    assert [output.name for output in here.outputs] == ["label", "probabilities"]
    label, probabilities = here.raw_output_contents
    assert int.from_bytes(label, "little") == there["prediction"]
    assert np.frombuffer(probabilities, "<f4").tolist() == pytest.approx(
        list(there["probabilities"].values()), abs=1e-6
    )


def test_several_images(asked: Asked) -> None:
    several = IMAGE | {"shape": [3]}
    answer = asked("ModelInfer", infer(several, elements(DIGIT8, DIGIT8, DIGIT8), id="7"))
    assert answer.id == "7"
    assert list(answer.outputs[0].shape) == [3]


@pytest.mark.parametrize(
    ("message", "code", "sentence"),
    [
        (b"", "INVALID_ARGUMENT", "inputs must be an array"),
        (b"\xff", "INVALID_ARGUMENT", "The message is not a valid inference.ModelInferRequest."),
        (infer(model_name="nothing", raw=elements(DIGIT8)), "NOT_FOUND", "no model 'nothing'"),
        (infer(model_version="7", raw=elements(DIGIT8)), "NOT_FOUND", "no model 'clf:7'"),
        (infer(raw=elements(DIGIT8[:90])), "INVALID_ARGUMENT", "Invalid image data: "),
        (infer(), "INVALID_ARGUMENT", "Image data is required"),
        (b"\x2a\x00" * 1_000_000, "INVALID_ARGUMENT", "more than 2,000 fields"),
        (infer(raw=bytes(20_000_000)), "RESOURCE_EXHAUSTED", "larger than max"),
    ],
)
def test_what_is_wrong_is_said(asked: Asked, message: Any, code: str, sentence: str) -> None:
    found = asked.refusal("ModelInfer", message)
    assert found[0] == code
    assert sentence in found[1]
    assert asked("ServerLive", scope="").live


@pytest.mark.parametrize(
    ("method", "message", "sentence"),
    [
        ("ServerLive", b"\xff\xff", "The message is not a valid inference.ServerLiveRequest."),
        ("ServerReady", b"\xff\xff", "The message is not a valid inference.ServerReadyRequest."),
        ("ModelMetadata", b"\x0a\x02\xc3\x28", "not a valid inference.ModelMetadataRequest."),
        ("ServerLive", b"\x2a\x00" * 1_000_000, "larger than the 16,384 bytes of a ServerLive"),
    ],
)
def test_what_is_wrong_with_other_messages_is_said(
    asked: Asked, method: str, message: bytes, sentence: str
) -> None:
    code, words = asked.refusal(method, message)
    assert code == "INVALID_ARGUMENT"
    assert sentence in words


def test_streams_that_send_nothing_give_way(asked: Asked) -> None:
    begin = asked.channel.stream_unary(f"/{SERVICE}/ModelInfer")
    silent: queue.Queue[bytes | None] = queue.Queue()
    metadata = [("x-api-key", asked.secrets["predict"])]
    idle = [begin.future(iter(silent.get, None), metadata=metadata) for _ in range(100)]
    for _ in range(4):
        assert asked("ModelInfer", infer(raw=elements(DIGIT8))).outputs
    for call in idle:
        silent.put(None)
        call.cancel()


def test_what_is_large_once_it_is_decompressed_is_refused(asked: Asked) -> None:
    message = infer(raw=bytes(100_000_000))
    found = asked.refusal("ModelInfer", message, compression=grpc.Compression.Gzip)
    assert found[0] == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize(
    ("scope", "code"), [("", "UNAUTHENTICATED"), ("label", "PERMISSION_DENIED")]
)
@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("ModelInfer", infer(raw=elements(DIGIT8))),
        ("ModelMetadata", messages()["ModelMetadataRequest"](name="clf")),
        ("ModelReady", messages()["ModelReadyRequest"](name="clf")),
        ("RepositoryIndex", b""),
    ],
)
def test_a_key_is_needed(asked: Asked, method: str, message: Any, scope: str, code: str) -> None:
    assert asked.refusal(method, message, scope)[0] == code


def test_other_methods_and_services_are_refused(asked: Asked) -> None:
    for path, words in (
        (f"/{SERVICE}/ModelConfig", "There is no method 'ModelConfig'"),
        ("/x/Y", ""),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            asked.channel.unary_unary(path)(b"", timeout=30)
        assert caught.value.code().name == "UNIMPLEMENTED"
        assert words in caught.value.details()


def test_clients_that_give_up_leave_nothing_behind(asked: Asked) -> None:
    call = asked.channel.unary_unary(f"/{SERVICE}/ModelInfer")
    data = infer(raw=elements(DIGIT8)).SerializeToString()
    metadata = [("x-api-key", asked.secrets["predict"])]
    for number in range(60):
        given_up = call.future(data, timeout=0.0005 * (1 + number % 4), metadata=metadata)
        if number % 2:
            given_up.cancel()
    assert asked("ModelInfer", infer(raw=elements(DIGIT8))).outputs
    text = httpx2.get(f"{asked.server.url}/metrics").text
    assert "pupila_requests_in_flight 0.0" in text


def test_requests_are_counted_and_recorded_as_those_of_http(asked: Asked) -> None:
    asked("ModelInfer", infer(raw=elements(DIGIT8), id="counted"))
    text = httpx2.get(f"{asked.server.url}/metrics").text
    assert 'route="/v2/models/{model}/infer",status="200"' in text
    headers = {"X-API-Key": asked.secrets["label"]}
    body = {"request_id": "counted", "label": 8}
    answer = httpx2.post(f"{asked.server.url}/feedback/", json=body, headers=headers)
    assert answer.json()["known"] is True


def test_who_sends_no_message_gets_an_answer(asked: Asked) -> None:
    nothing: Callable[..., Any] = asked.channel.stream_unary(f"/{SERVICE}/ModelInfer")
    with pytest.raises(grpc.RpcError) as caught:
        nothing(iter(()), timeout=30, metadata=[("x-api-key", asked.secrets["predict"])])
    assert caught.value.code().name == "INVALID_ARGUMENT"


def test_what_is_not_http2_is_no_harm(asked: Asked) -> None:
    host, _, port = asked.channel._channel.target().decode().rpartition(":")
    with socket.create_connection((host.rpartition("/")[2] or "127.0.0.1", int(port)), 10) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(10_000))
    assert asked("ServerLive", scope="").live
