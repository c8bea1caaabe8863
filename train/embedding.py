"""A dataset with its embeddings."""

from dataclasses import replace

from models.embedding_cache import EmbeddingCache
from models.extractor import Extractor
from models.offline.embeddings import embeddings_of
from train.dataset import Dataset, OnProgress


def embedded(
    dataset: Dataset,
    extractor: Extractor,
    on_progress: OnProgress | None = None,
    cache: EmbeddingCache | None = None,
) -> Dataset:
    """The dataset with its ``embeddings``, as ``models.offline.embeddings`` computes them.

    Its image spec must be the extractor's.
    """
    if dataset.spec != extractor.manifest.image_spec:
        raise ValueError("the images were read for another extractor")
    return replace(dataset, embeddings=embeddings_of(dataset.pixels, extractor, cache, on_progress))
