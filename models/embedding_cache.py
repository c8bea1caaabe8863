"""Embeddings on disk, by the hash of the image and the extractor, so that none is computed twice.

One file for each extractor in ``PUPILA_HOME/embeddings``: records of an image's hash, a checksum,
and its embedding, appended. A record that was cut off or damaged is as if it were not there.
"""

import contextlib
import fcntl
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.extractor import Extractor
from settings import settings

_FOLDER: Final = "embeddings"
_SUFFIX: Final = ".cache"
DIGEST_BYTES: Final = 16


class EmbeddingCache:
    """What is known of one extractor's embeddings; nothing if it cannot be read or written."""

    def __init__(
        self, extractor: Extractor, folder: Path | None = None, limit: int | None = None
    ) -> None:
        """``folder`` and ``limit``, in bytes of all files: by default as the settings say."""
        self._folder = folder or settings().home / _FOLDER
        self._path = self._folder / f"{extractor.sha256}{_SUFFIX}"
        self._limit = settings().embeddings_bytes if limit is None else limit
        dimension = extractor.manifest.dimension
        self._record = np.dtype(
            [("digest", f"V{DIGEST_BYTES}"), ("check", "<u4"), ("embedding", "<f4", dimension)]
        )
        self._rows: dict[bytes, int] = {}
        self._records = self._read()

    def get(self, digest: bytes) -> NDArray[np.float32] | None:
        """float32 [dimension], or None."""
        row = self._rows.get(digest)
        if row is None:
            return None
        record = self._records[row]
        embedding = np.asarray(record["embedding"], np.float32)
        return embedding if zlib.crc32(embedding.tobytes()) == int(record["check"]) else None

    def reserve(self, count: int) -> bool:
        """Make room for so many more, of which ``add`` then takes a part at a time; False if all
        together would exceed the limit, and none should be added."""
        needed = count * self._record.itemsize
        if needed > self._limit:
            return False
        with contextlib.suppress(OSError), self._locked():
            self._make_room(needed)
        return True

    def add(self, digests: Sequence[bytes], embeddings: NDArray[np.float32]) -> None:
        """Append the embeddings, float32 [N, dimension], of images with these digests.

        Where all files together would exceed the limit, those that were not used for longest go
        first. A disk that is full or read-only costs the cache, and not the training.
        """
        new = np.zeros(len(digests), self._record)
        new["digest"] = np.array(digests, f"V{DIGEST_BYTES}")
        new["embedding"] = embeddings
        new["check"] = [zlib.crc32(row.tobytes()) for row in new["embedding"]]
        if new.nbytes > self._limit:
            return
        with contextlib.suppress(OSError), self._locked():
            self._make_room(new.nbytes)
            with self._path.open("ab") as file:
                # Whatever a crash has left of a record would shift all that follow.
                whole = file.tell() // self._record.itemsize * self._record.itemsize
                file.truncate(whole)
                file.seek(whole)
                file.write(new.tobytes())

    def _read(self) -> NDArray[np.void]:
        """All records, mapped and not read: the file only grows, or is unlinked as a whole."""
        try:
            count = self._path.stat().st_size // self._record.itemsize
            os.utime(self._path)
            if not count:
                return np.zeros(0, self._record)
            records = np.memmap(self._path, self._record, "r", shape=(count,))
        except OSError:
            return np.zeros(0, self._record)
        self._rows = {digest.tobytes(): row for row, digest in enumerate(records["digest"])}
        return records

    def _make_room(self, needed: int) -> None:
        files = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
        total = sum(path.stat().st_size for path in files) + needed
        for path in sorted(files, key=lambda path: path == self._path):
            if total <= self._limit:
                return
            total -= path.stat().st_size
            path.unlink()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class Remembered(EmbeddingCache):
    """For images that a process asks for several times: what the disk is not to keep stays in
    memory, so that it is computed once all the same."""

    def __init__(self, extractor: Extractor) -> None:
        super().__init__(extractor)
        self._held: dict[bytes, NDArray[np.float32]] = {}
        self._is_kept = True

    def get(self, digest: bytes) -> NDArray[np.float32] | None:
        held = self._held.get(digest)
        return super().get(digest) if held is None else held

    def reserve(self, count: int) -> bool:
        self._is_kept = super().reserve(count)
        return True

    def add(self, digests: Sequence[bytes], embeddings: NDArray[np.float32]) -> None:
        if self._is_kept:
            super().add(digests, embeddings)
        else:
            self._held.update(zip(digests, embeddings.copy(), strict=True))

    def refresh(self) -> None:
        """See what is on the disk since."""
        self._rows = {}
        self._records = self._read()


def forget_embeddings() -> None:
    """Remove all of them: an embedding tells something of the image that it was made of."""
    shutil.rmtree(settings().home / _FOLDER, ignore_errors=True)
