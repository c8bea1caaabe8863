"""A server with a model of handwritten digits that some hundred images were sent to."""

import base64
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from models.store import Store
from records.database import Database
from settings import Settings
from tests.drafts import LinearDraft
from tests.servers import Server, serve
from tests.waiting import until

SENT = 120


def digit(number: int, noise: float = 20.0) -> tuple[bytes, int]:
    """A PNG of a digit, and which it is; the same for the same number."""
    digits = load_digits()
    generator = np.random.default_rng(number)
    row = int(generator.integers(0, len(digits.images)))
    pixels = digits.images[row] / 16 * 255 + generator.normal(0, noise, (8, 8))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue(), int(digits.target[row])


def send(server: Server, first: int, last: int, **extra: object) -> None:
    """Have the model classify digits, whose request ids are their numbers."""
    items = [
        {"request_id": f"digit-{number}", "image": base64.b64encode(digit(number)[0]).decode()}
        for number in range(first, last)
    ]
    for start in range(0, len(items), 100):
        body = {"model": "clf", "items": items[start : start + 100]} | extra
        assert server.post("/predict/batch/", json=body).status_code == 200


@contextmanager
def records(server: Server) -> Iterator[Database]:
    with Database.of(Settings(home=server.home / "pupila")) as database:
        yield database


def kept(server: Server, number: int) -> bool:
    from records.browsing import kept as count

    with records(server) as database:
        return count(database, "clf", number) == number


@contextmanager
def site(trained: Path, home: Path, sent: int = SENT, **settings: object) -> Iterator[Server]:
    """A server with a trained version that answers, and an older one."""
    (home / "models").mkdir(parents=True)
    Store(home / "models").save(LinearDraft(seed=3, created_at=datetime(2026, 1, 31, tzinfo=UTC)))
    shutil.copytree(trained / "models" / "clf", home / "models" / "clf", dirs_exist_ok=True)
    with serve(home, record_per_minute=1_000_000, **settings) as server:
        send(server, 0, sent)
        until(lambda: kept(server, sent), "the predictions in the database")
        yield server
