"""Images, Parquet files and runs for the tests of scoring."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.store import Store
from score.run import Options, Report, score
from tests.drawing import png

BROKEN = 7


def pictures(count: int, seed: int = 0) -> list[bytes]:
    """PNGs of 8x8 gray noise."""
    rng = np.random.default_rng(seed)
    return [png(image) for image in rng.integers(0, 256, (count, 8, 8), np.uint8)]


def folder(path: Path, count: int) -> Path:
    """A folder of them, in folders of ten; number 7 is not an image."""
    for number, content in enumerate(pictures(count)):
        tens = path / f"{number // 10:03d}"
        tens.mkdir(parents=True, exist_ok=True)
        (tens / f"{number:04d}.png").write_bytes(b"no image" if number == BROKEN else content)
    return path


def table(path: Path, columns: dict[str, Any], group: int = 16) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.ParquetFile(path).read().to_pylist()
    return found


def run(store: Store, images: Path, out: Path, chunk_rows: int = 8, **options: Any) -> Report:
    return score(Options(images, out, **options), store, chunk_rows=chunk_rows)
