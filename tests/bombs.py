"""Small files that decode to 25 megapixels, and clients that send nothing else."""

import base64
import io
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
from PIL import Image

from tests.servers import NO_TLS
from tests.waiting import PATIENCE_SECONDS

SIDE = 5_000


def _encoded(mode: str, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (SIDE, SIDE)).save(buffer, kind, **options)
    return buffer.getvalue()


BOMBS = {
    "PNG with alpha": lambda: _encoded("RGBA", "PNG"),
    "PNG gray with alpha": lambda: _encoded("LA", "PNG"),
    "PNG palette": lambda: _encoded("P", "PNG", transparency=0),
    "WebP": lambda: _encoded("RGBA", "WEBP", lossless=True, method=0),
    "GIF": lambda: _encoded("P", "GIF", transparency=0),
    "JPEG": lambda: _encoded("RGB", "JPEG"),
    "JPEG CMYK": lambda: _encoded("CMYK", "JPEG"),
    "JPEG progressive": lambda: _encoded("RGB", "JPEG", progressive=True),
}


def attack(url: str, good: bytes, bomb: bytes, clients: int, seconds: float) -> Counter[int]:
    """What that many clients get who send a bomb again and again, while ``good`` is answered.

    Each asks at least once. Raises AssertionError if the good request does not get 200.
    """
    body = json.dumps(
        {**json.loads(good), "image": base64.b64encode(bomb).decode()}, separators=(",", ":")
    ).encode()
    end = time.monotonic() + seconds
    done = threading.Event()

    def send(_: int) -> Counter[int]:
        seen: Counter[int] = Counter()
        with httpx2.Client(timeout=PATIENCE_SECONDS, verify=NO_TLS) as client:
            while not seen or time.monotonic() < end:
                seen[client.post(f"{url}/predict/", content=body).status_code] += 1
        return seen

    def ask() -> int:
        asked = 0
        with httpx2.Client(timeout=PATIENCE_SECONDS, verify=NO_TLS) as client:
            while not (asked and done.is_set()):
                assert client.post(f"{url}/predict/", content=good).status_code == 200
                asked += 1
        return asked

    with ThreadPoolExecutor(clients + 1) as threads:
        asking = threads.submit(ask)
        seen = sum(threads.map(send, range(clients)), Counter[int]())
        done.set()
        assert asking.result()
    return seen
