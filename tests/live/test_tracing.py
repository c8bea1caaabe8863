"""Traces of a running server, at a collector that reads what it gets."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from models.store import Store
from tests.collector import FakeCollector, about, collecting
from tests.drafts import LinearDraft
from tests.servers import NO_TLS, Server, closed_port, serve
from tests.waiting import PATIENCE_SECONDS, until

IMAGE = base64.b64encode(Path("tests/data/digit8.jpg").read_bytes()).decode()
BODY: dict[str, Any] = {"request_id": "one", "model": "clf", "image": IMAGE}
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"

Traced = tuple[Server, FakeCollector]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """A server that traces every request, and logs it; flushed and ended without a complaint."""
    home = tmp_path_factory.mktemp("home")
    Store(home / "models").save(LinearDraft(answer=8))
    with collecting() as collector:
        settings: dict[str, Any] = {
            "tracing_endpoint": collector.url,
            "tracing_ratio": 1,
            "tracing_headers": "Authorization=Bearer%20hush-hush,x-team=images",
            "tracing_attributes": "deployment.environment.name=tests",
            "access_log_rate": 1,
        }
        with serve(home, **settings) as server:
            yield server, collector
            last = ask(server)
            log = server.log
        # What was asked last has been flushed before the process ended.
        assert collector.of(trace_of(last))
        assert "hush" not in log.read_text()


def ask(
    server: Server, path: str = "/predict/", json: Any = BODY, **headers: str
) -> httpx2.Response:
    with httpx2.Client(timeout=PATIENCE_SECONDS, verify=NO_TLS, trust_env=False) as client:
        return client.post(server.url + path, json=json, headers=headers)


def trace_of(response: httpx2.Response) -> str:
    version, trace_id, span_id, flags = response.headers["traceparent"].split("-")
    assert (version, len(span_id), flags) == ("00", 16, "01")
    return str(trace_id)


def named(spans: list[Span], name: str) -> Span:
    (span,) = [span for span in spans if span.name == name]
    return span


def test_a_request_is_a_tree_of_spans_whose_times_are_nested(traced: Traced) -> None:
    server, collector = traced
    response = ask(server)
    spans = collector.wait(trace_of(response))
    names = [span.name for span in spans]
    assert names == ["POST /predict/", "body", "decode", "queue", "batch", "inference"]
    root = spans[0]
    assert root.span_id.hex() == response.headers["traceparent"].split("-")[2]
    assert (root.kind, root.parent_span_id) == (Span.SPAN_KIND_SERVER, b"")
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    for span in spans[1:]:
        parent = by_id[span.parent_span_id]
        assert parent.name == ("batch" if span.name == "inference" else root.name)
        assert parent.start_time_unix_nano <= span.start_time_unix_nano
        assert span.start_time_unix_nano <= span.end_time_unix_nano <= parent.end_time_unix_nano


def test_the_spans_say_who_was_asked_for_what(traced: Traced) -> None:
    server, collector = traced
    response = ask(server)
    spans = collector.wait(trace_of(response))
    model, _, version = response.headers["x-model-version"].partition(":")
    found = about(spans[0])
    assert (found.pop("user_agent.original")).startswith("python-httpx")
    assert found == {
        "http.request.method": "POST",
        "http.route": "/predict/",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/predict/",
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": int(server.url.rpartition(":")[2]),
        "pupila.model": model,
        "pupila.version": version,
        "pupila.request_id": "one",
    }
    batch = about(named(spans, "batch"))
    assert batch == {
        "pupila.model": model,
        "pupila.version": version,
        "pupila.batch.size": 1,
        "pupila.batch.own": 1,
    }
    assert about(named(spans, "queue"))["pupila.queue.length"] == 0


def test_the_resource_is_this_server(traced: Traced) -> None:
    server, collector = traced
    collector.wait(trace_of(ask(server)))
    resource = collector.requests[-1].resource_spans[0].resource
    found = {one.key: one.value.string_value for one in resource.attributes}
    assert found["service.name"] == "pupila"
    assert found["service.version"] == "development"
    assert found["service.instance.id"].endswith(":1")
    assert found["deployment.environment.name"] == "tests"


def test_the_collector_is_asked_as_otlp_says(traced: Traced) -> None:
    server, collector = traced
    collector.wait(trace_of(ask(server)))
    assert set(collector.paths) == {"/v1/traces"}
    assert collector.headers[-1]["content-type"] == "application/x-protobuf"
    assert collector.headers[-1]["authorization"] == "Bearer hush-hush"
    assert collector.headers[-1]["x-team"] == "images"


def test_the_trace_id_is_that_of_the_log(traced: Traced) -> None:
    server, _ = traced
    trace = trace_of(ask(server, json=BODY | {"request_id": "logged"}))
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert [line["trace_id"] for line in lines if line.get("request_id") == "logged"] == [trace]


def test_a_caller_s_trace_goes_on(traced: Traced) -> None:
    server, collector = traced
    response = ask(server, traceparent=PARENT, tracestate="rojo=00f067aa0ba902b7,congo=t61")
    assert trace_of(response) == TRACE_ID
    root = collector.wait(TRACE_ID)[0]
    assert root.parent_span_id.hex() == "00f067aa0ba902b7"
    assert root.trace_state == "rojo=00f067aa0ba902b7,congo=t61"
    assert root.flags & 0x300 == 0x300


def test_a_caller_who_does_not_sample_is_not_traced(traced: Traced) -> None:
    server, collector = traced
    trace = "1" * 32
    response = ask(
        server, traceparent=f"00-{trace}-{'2' * 16}-00", json=BODY | {"request_id": "no"}
    )
    version, trace_id, span_id, flags = response.headers["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", trace, "00")
    assert span_id != "2" * 16
    collector.wait(trace_of(ask(server)))
    assert not collector.of(trace)
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert [line["trace_id"] for line in lines if line.get("request_id") == "no"] == [trace]


@pytest.mark.parametrize("wrong", ["", "00", f"00-{'0' * 32}-{'2' * 16}-01", "ÿ" * 300, "a-b-c-d"])
def test_a_malformed_parent_is_ignored(traced: Traced, wrong: str) -> None:
    server, collector = traced
    response = ask(server, traceparent=wrong.encode("latin-1"), tracestate="a=b")  # type: ignore[arg-type]
    assert response.status_code == 200
    root = collector.wait(trace_of(response))[0]
    assert (root.parent_span_id, root.trace_state) == (b"", "")


def test_the_images_of_a_batch_share_its_stages(traced: Traced) -> None:
    server, collector = traced
    items = [{"request_id": str(number), "image": IMAGE} for number in range(256)]
    response = ask(server, "/predict/batch/", {"model": "clf", "items": items})
    assert response.status_code == 200
    spans = collector.wait(trace_of(response))
    assert spans[0].name == "POST /predict/batch/"
    names = [span.name for span in spans]
    assert (names.count("body"), names.count("decode")) == (1, 32)
    own = [about(span)["pupila.batch.own"] for span in spans if span.name == "batch"]
    sizes = [about(span)["pupila.batch.size"] for span in spans if span.name == "batch"]
    assert own == sizes
    assert sum(own) <= 256
    assert about(spans[0])["pupila.stages.left_out"] >= 256 - 32


def test_the_protocol_s_requests_are_traced(traced: Traced) -> None:
    server, collector = traced
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [IMAGE]}
    response = ask(server, "/v2/models/clf/infer", {"id": "v2", "inputs": [tensor]})
    assert response.status_code == 200, response.text
    spans = collector.wait(trace_of(response))
    assert spans[0].name == "POST /v2/models/{model}/infer"
    assert about(spans[0])["url.path"] == "/v2/models/clf/infer"
    assert {"body", "decode", "queue", "batch", "inference"} < {span.name for span in spans}


def test_labels_are_traced(traced: Traced) -> None:
    server, collector = traced
    response = ask(server, "/feedback/", {"request_id": "one", "label": 8})
    assert response.status_code == 200, response.text
    spans = collector.wait(trace_of(response))
    assert [span.name for span in spans] == ["POST /feedback/", "body", "write"]


def test_what_a_client_did_wrong_is_no_error_of_the_span(traced: Traced) -> None:
    server, collector = traced
    response = ask(server, json=BODY | {"image": "aGVsbG8="})
    assert response.status_code == 400
    spans = collector.wait(trace_of(response))
    assert [span.name for span in spans] == ["POST /predict/", "body", "decode"]
    assert about(spans[0])["http.response.status_code"] == 400
    assert spans[0].status.code == 0


def test_a_number_for_an_id_is_traced_as_text(traced: Traced) -> None:
    server, collector = traced
    response = ask(server, json=BODY | {"request_id": 10**18})
    spans = collector.wait(trace_of(response))
    assert about(spans[0])["pupila.request_id"] == str(10**18)


def test_the_metrics_count_the_spans(traced: Traced) -> None:
    server, collector = traced
    collector.wait(trace_of(ask(server)))
    counted = f"pupila_spans_exported_total {float(len(collector.spans))}"
    until(lambda: counted in server.get("/metrics").text, counted)
    assert 'pupila_spans_dropped_total{reason="full"} 0.0' in server.get("/metrics").text


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that traces only who asks for it, while its collector is away."""
    home = tmp_path_factory.mktemp("home")
    Store(home / "models").save(LinearDraft(answer=8))
    endpoint = f"http://127.0.0.1:{closed_port()}"
    with serve(home, tracing_endpoint=endpoint, tracing_ratio=0, log_format="json") as server:
        yield server


def test_nobody_is_traced_at_a_ratio_of_0(alone: Server) -> None:
    response = ask(alone)
    assert response.status_code == 200
    assert "traceparent" not in response.headers


def test_a_collector_that_is_away_is_one_line_in_the_log(alone: Server) -> None:
    def lines() -> list[str]:
        found = [json.loads(line) for line in alone.log.read_text().splitlines()]
        return [line["event"] for line in found if line["logger"] == "pupila.tracing"]

    for number in range(20):
        response = ask(alone, traceparent=f"00-{number + 1:032x}-00f067aa0ba902b7-01")
        assert response.json() == {"request_id": "one", "prediction": 8}
    until(lines, "the line")
    away = "traces are not exported for now: it cannot be reached: Connection refused"
    assert lines() == [away]
    assert "pupila_spans_exported_total 0.0" in alone.get("/metrics").text
