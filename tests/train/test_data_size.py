import numpy as np

from train.data_size import DataSize


def test_a_fold_has_fewer_images() -> None:
    assert DataSize.of(np.array(["a"] * 3 + ["b"] * 7)) == DataSize(10, 3)
    assert DataSize(10, 3).in_fold(3) == DataSize(6, 2)
