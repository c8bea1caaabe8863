"""A collector of traces by OTLP over HTTP, which reads what it gets as OpenTelemetry defines it."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.waiting import until

Answering = Callable[[BaseHTTPRequestHandler], None]


def taking(handler: BaseHTTPRequestHandler) -> None:
    """The answer of a collector that takes all."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/x-protobuf")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


class FakeCollector:
    """What came, in order. ``answer`` may be changed at any time."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Answering = taking

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def of(self, trace_id: str) -> list[Span]:
        """The spans of a trace, the first first."""
        return sorted(
            (span for span in self.spans if span.trace_id.hex() == trace_id),
            key=lambda span: (span.start_time_unix_nano, -span.end_time_unix_nano),
        )

    def wait(self, trace_id: str) -> list[Span]:
        until(lambda: self.of(trace_id), f"the trace {trace_id}")
        return self.of(trace_id)


def about(span: Span) -> dict[str, Any]:
    """The attributes of a span."""
    return {
        one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes
    }


@contextlib.contextmanager
def collecting(certificate: ssl.SSLContext | None = None) -> Iterator[FakeCollector]:
    """A collector that runs until the block ends; with a ``certificate``, by TLS."""
    fake = FakeCollector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            request = ExportTraceServiceRequest.FromString(content)
            fake.paths.append(self.path)
            fake.headers.append({name.lower(): value for name, value in self.headers.items()})
            fake.requests.append(request)
            with contextlib.suppress(OSError):
                fake.answer(self)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        if certificate is not None:
            server.socket = certificate.wrap_socket(server.socket, server_side=True)
            fake.url = fake.url.replace("http:", "https:")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
