"""The barest server of photos: each connection has a thread, which reads, decodes, runs, answers.

    python -m bench.peers.photo_bare <folder of bench.photo_material>

As many at once as there are processors. Nothing is checked, counted, logged or recorded, and it
knows no other client than ``bench``'s: what any server in Python takes beside the bare loop.
"""

import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import orjson
import pybase64

from bench.photo_loop import classifier

START = b'"image":"'


def serve(client: socket.socket, classify: Callable[[bytes], object]) -> None:
    """Answer one request after the other, until the client closes."""
    while head := _until(client, b"\r\n\r\n"):
        headers, _, body_start = head.partition(b"\r\n\r\n")
        size = int(headers.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        body = bytearray(size)
        view, count = memoryview(body), len(body_start)
        view[:count] = body_start
        while count < size:
            received = client.recv_into(view[count:])
            if not received:
                return
            count += received
        start = body.index(START) + len(START)
        end = body.index(b'"', start)
        request_id = orjson.loads(bytes(body[:start] + body[end:]))["request_id"]
        label = classify(pybase64.b64decode(view[start:end], validate=True))
        answer = orjson.dumps({"request_id": request_id, "prediction": label})
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))


def _until(client: socket.socket, end: bytes) -> bytes:
    """What has arrived by then; nothing once the client has closed."""
    head = b""
    while end not in head:
        data = client.recv(65_536)
        if not data:
            return b""
        head += data
    return head


def main() -> None:
    classify = classifier(Path(sys.argv[1]))
    places = threading.Semaphore(os.cpu_count() or 1)

    def in_turn(image: bytes) -> object:
        with places:
            return classify(image)

    with socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=128) as listener:
        while True:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(client, in_turn), daemon=True).start()


if __name__ == "__main__":
    main()
