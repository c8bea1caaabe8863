"""Which requests are traced, and what is noted of them."""

from collections.abc import Iterable

import pytest
from starlette.types import Scope

from errors import InternalError, OverloadedError
from serving.tracing.trace import TRACE, Run, Trace, Turn, ran
from serving.tracing.tracer import Tracer

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def scope(*headers: tuple[str, str]) -> Scope:
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return {"method": "POST", "path": "/predict/", "headers": encoded, "server": ("10.0.0.1", 80)}


def parent(flags: str) -> tuple[str, str]:
    return "traceparent", f"00-{TRACE_ID}-00f067aa0ba902b7-{flags}"


def ended(
    tracer: Tracer, trace: Trace, of: Scope, status: int = 200, error: Exception | None = None
) -> None:
    tracer.end(trace, of, "/predict/", status, 0.25, tag="clf:a", request_id="1", error=error)


def sampled(ratio: float, requests: Iterable[Scope]) -> list[Trace]:
    kept: list[Trace] = []
    tracer = Tracer(ratio, kept.append)
    for request in requests:
        trace = tracer.begin(request, 0.0)
        if trace is not None:
            ended(tracer, trace, request)
    return kept


async def test_a_ratio_of_none_and_of_all() -> None:
    assert sampled(0, [scope()] * 100) == []
    assert len(sampled(1, [scope()] * 100)) == 100


async def test_a_ratio_is_a_share() -> None:
    # 4 standard deviations of a binomial: 126.
    assert 2374 <= len(sampled(0.25, [scope()] * 10_000)) <= 2700


async def test_ids_are_all_different() -> None:
    traces = sampled(1, [scope()] * 1000)
    assert len({trace.trace_id for trace in traces}) == 1000
    assert {(len(trace.trace_id), len(trace.span_id)) for trace in traces} == {(32, 16)}


@pytest.mark.parametrize("ratio", [0, 1])
async def test_the_caller_decides(ratio: float) -> None:
    (trace,) = sampled(ratio, [scope(parent("01")), scope(parent("00"))])
    assert (trace.trace_id, trace.parent_id) == (TRACE_ID, "00f067aa0ba902b7")


async def test_who_is_not_sampled_has_an_id_all_the_same() -> None:
    tracer = Tracer(1, lambda _: None)
    trace = tracer.begin(scope(parent("00")), 0.0)
    assert trace is not None
    assert (trace.trace_id, trace.sampled) == (TRACE_ID, False)
    assert TRACE.get() is None


async def test_stages_find_the_trace_until_the_answer() -> None:
    tracer = Tracer(1, lambda _: None)
    trace = tracer.begin(scope(), 0.0)
    assert trace is not None
    assert TRACE.get() is trace
    ended(tracer, trace, scope())
    assert TRACE.get() is None
    trace.stage("decode", 0.0)
    assert trace.stages == []


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [
        ("api.example.com", "api.example.com", None),
        ("api.example.com:8443", "api.example.com", 8443),
        ("[2001:db8::1]:8000", "2001:db8::1", 8000),
        ("[::1]", "::1", None),
        ("a b", "10.0.0.1", 80),
        ("x:123456", "10.0.0.1", 80),
        ("\xff" * 9000, "\xff" * 256, None),
    ],
)
async def test_the_server_is_as_the_client_calls_it(
    host: str, address: str, port: int | None
) -> None:
    (trace,) = sampled(1, [scope(("host", host))])
    found = trace.attributes
    assert (found["server.address"], found.get("server.port")) == (address, port)


async def test_a_server_without_a_name_is_its_socket() -> None:
    (trace,) = sampled(1, [scope()])
    assert (trace.attributes["server.address"], trace.attributes["server.port"]) == ("10.0.0.1", 80)


@pytest.mark.parametrize(
    ("status", "error", "kind", "fault"),
    [
        (503, OverloadedError("Full.", "capacity"), "OverloadedError", "Full."),
        (500, InternalError("It failed."), "InternalError", "It failed."),
        # Its text is for the log alone: nobody knows what is in it.
        (500, RuntimeError("password=hush"), "RuntimeError", ""),
    ],
)
async def test_a_failure_of_the_server(
    status: int, error: Exception, kind: str, fault: str
) -> None:
    kept: list[Trace] = []
    tracer = Tracer(1, kept.append)
    trace = tracer.begin(scope(), 0.0)
    assert trace is not None
    ended(tracer, trace, scope(), status, error)
    assert (trace.attributes["error.type"], trace.fault) == (kind, fault)


def test_an_image_that_ran_out_of_time_has_no_inference() -> None:
    trace = Trace("1" * 32, "2" * 16, 0.0)
    turn = Turn(3)
    trace.passed(turn)
    assert [stage.name for stage in trace.stages] == ["queue"]
    turn.taken = turn.arrived
    trace.passed(turn)
    assert [stage.name for stage in trace.stages] == ["queue", "queue", "batch"]


def test_images_of_one_run_share_its_stages() -> None:
    class Item:
        def __init__(self) -> None:
            self.turn: Turn | None = Turn(0)

    trace = Trace("1" * 32, "2" * 16, 0.0)
    items = [Item(), Item()]
    ran(items, Run({"pupila.model": "clf"}, 7, 1.0, 0.5))
    for item in items:
        assert item.turn is not None
        trace.passed(item.turn)
    queue, batch, inference = trace.stages
    assert (batch.attributes["pupila.batch.size"], batch.attributes["pupila.batch.own"]) == (7, 2)
    assert (inference.began, inference.ended, inference.inside) == (1.0, 1.5, batch)
    assert queue.inside is None
