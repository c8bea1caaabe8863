"""Traces as OTLP has them: https://opentelemetry.io/docs/specs/otlp/.

The only module that needs the extra ``tracing``; it is imported where there is a collector.
"""

import os
import socket
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from serving.tracing.trace import Trace

# Of the names of the attributes.
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.37.0"
_SAMPLED: Final = 0x01
_KNOWS_PARENT: Final = 0x100
_PARENT_IS_REMOTE: Final = 0x200


class Spans:
    """Of one worker of a service: ``release`` is its version, ``worker`` its number."""

    def __init__(
        self, service: str, release: str, worker: int | None, others: Mapping[str, str]
    ) -> None:
        host = socket.gethostname()
        about: dict[str, str | int] = {
            "service.name": service,
            "service.version": release,
            "service.instance.id": host if worker is None else f"{host}:{worker}",
            "host.name": host,
            "process.pid": os.getpid(),
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "pupila",
            "telemetry.sdk.version": release,
        }
        self._resource = Resource(attributes=_attributes(about | dict(others)))
        self._scope = InstrumentationScope(name="pupila", version=release)

    def encoded(self, traces: Iterable[Trace]) -> bytes:
        """An ``ExportTraceServiceRequest`` with all their spans."""
        request = ExportTraceServiceRequest()
        # In place: a message that is given to another one is copied, with all that is in it.
        whole = request.resource_spans.add(resource=self._resource, schema_url=_SCHEMA)
        scoped = whole.scope_spans.add(scope=self._scope, schema_url=_SCHEMA)
        for trace in traces:
            _add(scoped, trace)
        content: bytes = request.SerializeToString()
        return content


def rejected(answer: bytes) -> int:
    """How many spans a collector did not take, of its ``ExportTraceServiceResponse``; 0 for what is
    none, since its status says that all is well."""
    try:
        found = ExportTraceServiceResponse.FromString(answer)
    except DecodeError:
        return 0
    count: int = found.partial_success.rejected_spans
    return max(0, count)


def _add(scoped: ScopeSpans, trace: Trace) -> None:
    """The span of the request, and those of its stages."""
    trace_id, root = bytes.fromhex(trace.trace_id), bytes.fromhex(trace.span_id)
    flags = _SAMPLED | _KNOWS_PARENT

    def at(seconds: float) -> int:
        return trace.began_ns + round((seconds - trace.began) * 1e9)

    about = dict(trace.attributes)
    if trace.left_out:
        about["pupila.stages.left_out"] = trace.left_out
    scoped.spans.add(
        trace_id=trace_id,
        span_id=root,
        parent_span_id=bytes.fromhex(trace.parent_id),
        trace_state=trace.state,
        flags=flags | (_PARENT_IS_REMOTE if trace.parent_id else 0),
        name=_text(trace.name),
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=trace.began_ns,
        end_time_unix_nano=at(trace.ended or trace.began),
        attributes=_attributes(about),
        status=None
        if trace.fault is None
        else Status(code=Status.STATUS_CODE_ERROR, message=_text(trace.fault)),
    )
    # They need no more chance than that no two of a trace are the same.
    first = int(trace.span_id, 16)
    ids = {
        stage: ((first + number) % 2**64 or 2**64 - 1).to_bytes(8)
        for number, stage in enumerate(trace.stages, 1)
    }
    for stage, span_id in ids.items():
        scoped.spans.add(
            trace_id=trace_id,
            span_id=span_id,
            parent_span_id=root if stage.inside is None else ids.get(stage.inside, root),
            trace_state=trace.state,
            flags=flags,
            name=stage.name,
            kind=Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=at(stage.began),
            end_time_unix_nano=at(stage.ended),
            attributes=_attributes(stage.attributes),
        )


def _attributes(about: Mapping[str, str | int | float | bool]) -> list[KeyValue]:
    return [_attribute(name, value) for name, value in about.items()]


# Most are the same in all traces, and making one is most of the work. Types count: True equals 1.
@lru_cache(maxsize=1024, typed=True)
def _attribute(name: str, value: str | float | bool) -> KeyValue:
    return KeyValue(key=_text(name), value=_value(value))


def _value(value: str | float | bool) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=_text(value))


def _text(text: str) -> str:
    """Without what is no valid Unicode, which a client may have sent."""
    return text.encode(errors="replace").decode()
