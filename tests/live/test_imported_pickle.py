"""A user's pickle, once imported, answers through HTTP as it does in scikit-learn."""

import base64
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from models.offline.pickles import load

DATA = Path("tests/data")


def test_the_same_label_for_every_digit(http: httpx2.Client) -> None:
    digits = load_digits().data
    expected = load(DATA / "clf.pickle").estimator.predict(digits).tolist()

    def ask(ink: np.ndarray) -> int:
        buffer = io.BytesIO()
        pixels = np.rint(ink.reshape(8, 8) / 16 * 255).astype(np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG")
        image = base64.b64encode(buffer.getvalue()).decode()
        body = {"request_id": 1, "model": "old", "image": image}
        answer = http.post("/predict/", json=body).json()
        return int(answer["prediction"])

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, digits))
    assert len(answers) == 1797
    assert answers == expected


def test_the_same_label_for_a_jpeg(http: httpx2.Client) -> None:
    image = base64.b64encode((DATA / "digit8.jpg").read_bytes()).decode()
    body = {"request_id": 1, "model": "old.pickle", "image": image}
    assert http.post("/predict/", json=body).json() == {"request_id": 1, "prediction": 8}
