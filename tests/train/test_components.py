import numpy as np
import pytest
from sklearn.datasets import load_digits

from train.components import principal_components

INK, _ = load_digits(return_X_y=True)
FEATURES = INK.astype(np.float32)


def test_components_are_orthonormal_and_centred() -> None:
    mean, main = principal_components(FEATURES, seed=0)
    assert str(mean.dtype) == str(main.dtype) == "float32"
    np.testing.assert_allclose(mean, FEATURES.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(main @ main.T, np.eye(20), atol=1e-5)


def test_components_keep_as_much_variance_as_the_largest_eigenvalues() -> None:
    mean, main = principal_components(FEATURES, seed=0)
    kept = (((FEATURES - mean) @ main.T) ** 2).sum() / (len(FEATURES) - 1)
    largest = np.linalg.eigvalsh(np.cov(INK.T))[-20:]
    assert kept == pytest.approx(largest.sum(), rel=1e-4)


def test_there_are_no_more_components_than_images() -> None:
    assert principal_components(FEATURES[:7], seed=0)[1].shape == (7, 64)
