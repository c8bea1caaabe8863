import numpy as np

from pipeline.pool import Pool
from pipeline.production import Sample
from tests.monitor.production import DIGITS, NOON
from train.dataset import Dataset


def test_a_classifier_that_doubts_many_labels_is_not_believed(
    digits: tuple[Dataset, Dataset],
) -> None:
    rng = np.random.default_rng(0)
    rows = enumerate(zip(digits[0].pixels[:300], rng.integers(0, 3, 300), strict=True))
    pool = Pool([Sample(str(row), pixels, int(label), NOON) for row, (pixels, label) in rows])
    reason = pool.without_suspects("logistic", {}, DIGITS, 0)
    assert reason is not None
    assert "too weak" in reason
    assert len(pool.samples) == 300
