"""Images that are unlike a training, and ways to tell: distances that a version could keep.

Each way is a function of features, float32 [N, F], to how strange each image is, float64 [N]. The
nearest neighbour is the one that is shipped; ``models.familiarity`` has its sources. The others:
Mahalanobis distances to the nearest class (Lee et al., A Simple Unified Framework for Detecting
Out-of-Distribution Samples and Adversarial Attacks, NeurIPS 2018, https://arxiv.org/abs/1807.03888)
with a shrunken covariance of all classes (Ledoit and Wolf, 2004); what the principal components
leave unexplained (Jackson and Mudholkar, Control procedures for residuals associated with principal
component analysis, Technometrics 21, 1979; ViM of Wang et al., CVPR 2022, uses it of networks); and
the largest probability (Hendrycks and Gimpel, ICLR 2017, https://arxiv.org/abs/1610.02136).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_sample_images
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from bench.shifts import BY_NAME
from bench.shipped import flipped, letters
from images.spec import ImageSpec
from models.familiarity import Familiarity
from tests.drawing import SHAPES, draw_shape

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Way = Callable[[Floats], NDArray[np.floating]]

EACH: Final = 400
SHIFTED: Final = (
    "inverted", "rotated by 30 degrees", "noise, sigma 4/16", "mirrored", "moved right by 1/8",
    "occluded, 1/4 x 1/4", "blur",
)  # fmt: skip


def ways(
    features: Floats, targets: NDArray[Any], classifier: Any, spec: ImageSpec
) -> dict[str, Way]:
    """All ways, fitted to what the classifier was trained on."""
    means = {label: features[targets == label].mean(axis=0) for label in np.unique(targets)}
    within = features - np.stack([means[label] for label in targets])
    precision = LedoitWolf(assume_centered=True).fit(within).precision_
    analysis = PCA(0.9, svd_solver="full").fit(features)
    neighbours = Familiarity.of(features, features[:1], spec, seed=0)

    def mahalanobis(inputs: Floats) -> NDArray[np.floating]:
        away = [inputs - mean for mean in means.values()]
        found = [np.einsum("ij,jk,ik->i", one, precision, one) for one in away]
        nearest: NDArray[np.floating] = np.min(found, axis=0)
        return nearest

    def unexplained(inputs: Floats) -> NDArray[np.floating]:
        back = analysis.inverse_transform(analysis.transform(inputs))
        return np.asarray(((inputs - back) ** 2).sum(axis=1))

    def unsure(inputs: Floats) -> NDArray[np.floating]:
        return np.asarray(1 - classifier.predict_proba(inputs).max(axis=1))

    return {
        "nearest neighbour": neighbours.of_images,
        "Mahalanobis": mahalanobis,
        "reconstruction error": unexplained,
        "1 - largest probability": unsure,
    }


def others(pixels: Pixels, spec: ImageSpec, rng: np.random.Generator) -> Mapping[str, Pixels]:
    """By name, images unlike those of a gray spec; ``pixels``: some that are like them."""
    found = {
        "letters": letters(EACH, spec, rng),
        "noise": rng.integers(0, 256, (EACH, spec.n_features)).astype(np.uint8),
        "photos": photos(EACH, spec, rng),
        "drawn shapes": np.stack(
            [_small(draw_shape(SHAPES[i % len(SHAPES)], rng, 64), spec) for i in range(EACH)]
        ),
        "upside down": flipped(pixels, spec),
    }
    return found | {name: BY_NAME[name].apply(pixels, spec, rng) for name in SHIFTED}


def photos(count: int, spec: ImageSpec, rng: np.random.Generator) -> Pixels:
    """Squares of scikit-learn's two photographs, a temple and a flower."""
    whole = [Image.fromarray(image) for image in load_sample_images().images]
    parts = []
    for _ in range(count):
        photo = whole[int(rng.integers(len(whole)))]
        side = int(rng.integers(16, 200))
        left, top = (int(rng.integers(length - side)) for length in photo.size)
        parts.append(_small(photo.crop((left, top, left + side, top + side)), spec))
    return np.stack(parts)


def _small(image: Image.Image, spec: ImageSpec) -> Pixels:
    resized = image.convert(spec.mode).resize((spec.width, spec.height), Image.Resampling.BOX)
    return np.asarray(resized).reshape(-1)


def auroc(usual: NDArray[np.floating], strange: NDArray[np.floating]) -> float:
    """The probability that a strange image is stranger than a usual one."""
    truth = np.repeat([0, 1], [len(usual), len(strange)])
    return float(roc_auc_score(truth, np.concatenate([usual, strange])))


def recall(held: NDArray[np.floating], strange: NDArray[np.floating], share: float) -> float:
    """How many are beyond the limit that this share of the held-out images are beyond."""
    limit = np.sort(held)[min(int(np.ceil((len(held) + 1) * (1 - share))), len(held)) - 1]
    return float((strange > limit).mean())
