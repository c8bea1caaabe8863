"""Training on an extractor in int8, if that costs no more accuracy than is allowed."""

import contextlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from cli import counted
from errors import ModelError
from models.extractor import Extractor
from models.extractors import Extractors
from models.manifest import Quantization
from models.offline.quantization import compared, quantized
from models.pixels import Pixels
from models.store import Store
from train.dataset import Dataset, OnProgress
from train.embedding import embedded
from train.fit import TrainingResult


def in_int8(
    store: Store,
    extractor: Extractor,
    pixels: Pixels,
    leftovers: ExitStack | None = None,
) -> Extractor:
    """The extractor in int8, saved beside it. ``pixels``: uint8 [N, n_features], images that are
    trained on; ``leftovers``: closed if no version comes of it, which removes it again, unless it
    was there before. Raises ConversionError."""
    backbone = quantized(extractor, pixels)
    extractors = Extractors(store)
    before = {one.tag for one in extractors.all(backbone.name)}
    small = extractors.save(backbone.name, backbone.write)
    if leftovers is not None and small.tag not in before:
        leftovers.callback(_forget, store, small)
    return small


def _forget(store: Store, small: Extractor) -> None:
    # It stays if another version has it, or somebody forbids to write.
    with contextlib.suppress(ModelError):
        Extractors(store).remove(small)


def quantized_if_as_good(
    result: TrainingResult,
    dataset: Dataset,
    store: Store,
    whole: Extractor,
    small: Extractor,
    *,
    max_loss: float,
    train: Callable[[Dataset, Extractor], TrainingResult],
    on_progress: OnProgress | None = None,
) -> TrainingResult:
    """What ``train`` makes of the embeddings in int8; or else ``result``, which was trained on
    those in float, with a finding that says why. Both are measured on the same held-out images."""
    second = train(embedded(dataset, small, on_progress), small)
    found = compared(
        whole,
        small,
        images=second.metrics.images,
        accuracy=result.metrics.accuracy.value,
        accuracy_int8=second.metrics.accuracy.value,
        max_loss=max_loss,
    )
    if found.holds:
        candidate = replace(second.candidate, quantization=found)
        return replace(second, candidate=candidate, findings=(*second.findings, said(found)))
    _forget(store, small)
    return replace(result, findings=(*result.findings, said(found)))


def said(found: Quantization) -> str:
    """One sentence about what int8 costs and saves."""
    cost = (
        f"{found.accuracy_int8:.1%} of {counted(found.images, 'held-out image')} are right with "
        f"the extractor in int8, {found.accuracy:.1%} in float"
    )
    saves = (
        f"a pass takes {1 / found.speed:.2f} times the processor time, and the file "
        f"{found.bytes_int8 / 2**20:.1f} MB in place of {found.bytes / 2**20:.1f}"
    )
    if found.holds:
        return f"{cost}, so the version has int8: {saves}.{_too_few(found)}"
    return (
        f"{cost}, which is more than the {found.max_loss:.1%} that may be lost (--max-loss), so "
        "the version stays in float."
    )


def _too_few(found: Quantization) -> str:
    """What to know where a single image is more than may be lost, so that none may be lost."""
    if not found.max_loss or found.images * found.max_loss >= 1:
        return ""
    return (
        f" So few images cannot show a loss of {found.max_loss:.1%}, as one of them is "
        f"{1 / found.images:.1%}: hold out more to be sure."
    )
