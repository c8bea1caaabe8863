"""The images that versions were trained on, kept beside the store, each of them once.

A retraining thus needs no folder that may have moved since. An image is kept as its file or as its
pixels at the spec's size, whichever is smaller, under its SHA-256. The list of a version's images
is written last, in one step, so they are kept whole or not at all; what was damaged since is found
by its SHA-256, and counted as missing.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from errors import ImageError, ModelError
from images.spec import ImageSpec
from models.embedding_cache import forget_embeddings
from models.files import read_regular
from models.image_list import FILE, PIXELS, Entry, Form, ImageList, Side
from models.manifest import Label
from models.pixels import Pixels, Row, is_large, stacked
from models.spill import Content, Spill, content_of, spilled
from models.staging import sync
from settings import settings

logger = logging.getLogger("pupila.store")

_NAME: Final = "pupila-training-images"
# A list is written before its version is visible, so one without a version may be that of a
# version that is being saved.
_ABANDONED_AFTER_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """The N images of a training, those held out included.

    ``pixels``: uint8 [N, F] at the spec's size; ``files``: the bytes of an image's file where these
    are fewer, else None, on disk where the pixels are; ``sources``: SHA-256 of the recorded image
    that it was made from, empty for any other; ``groups``: of which none is split, empty for an
    image that is in none; ``missing``: images that are listed but can no longer be read.
    """

    spec: ImageSpec
    pixels: Pixels
    labels: tuple[Label, ...]
    sides: tuple[Side, ...]
    files: tuple[Content | None, ...] | None = None
    sources: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    missing: int = 0

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Forgotten:
    """What was deleted: the number of images, and the tags of the versions they had trained."""

    images: int
    versions: tuple[str, ...]


class TrainingImages:
    """The training images of the versions in the store whose models are in ``store``.

    Only for the user who trains: whoever serves needs none of them.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._root = store.parent / _NAME
        self._blobs = self._root / "images"
        self._lists = self._root / "versions"

    def keep(self, name: str, version: str, images: TrainingSet) -> None:
        """Keep the images of a version, whole or not at all.

        If they cannot be written, or all images would take more than
        ``PUPILA_TRAINING_IMAGES_BYTES``, that is logged: the version is worth more than they are.
        """
        limit = settings().training_images_bytes
        if not limit:
            return
        try:
            self._keep(name, version, images, limit)
        except ModelError as error:
            logger.warning("The training images of %s:%s are not kept: %s.", name, version, error)

    def drop(self, name: str, version: str) -> None:
        """Delete the images that no other version needs, or log why they are still there."""
        if not self._list_of(name, version).exists():
            return
        try:
            with self._locked():
                self._list_of(name, version).unlink(missing_ok=True)
                self._sweep()
        except (OSError, ModelError) as error:
            logger.warning("Training images of %s:%s are left: %s.", name, version, error)

    def kept(self, name: str, version: str) -> bool:
        """Whether there is a list of a version's images; some may be damaged."""
        return self._list_of(name, version).exists()

    def read(self, name: str, version: str, more: int = 0) -> TrainingSet | None:
        """The images of a version; None if none were kept. They are on disk if, with so many
        ``more``, they are too many for memory. Raises ModelError for a list of them that cannot be
        read, or if there is no room."""
        listed = ImageList.read(self._list_of(name, version))
        if listed is None:
            return None
        spec, width = listed.spec, listed.spec.n_features
        spill = None
        if is_large(len(listed.entries) + more, width):
            size = (len(listed.entries) + more) * width
            size += sum(self._size(one) for one in listed.entries if one.form == FILE)
            spill = Spill(f"The training images of {name}:{version}", size)
        entries: list[Entry] = []
        rows: list[Row] = []
        contents: list[Content | None] = []
        for entry in listed.entries:
            pixels, file = self._image(entry, spec)
            if pixels is None:
                continue
            entries.append(entry)
            rows.append(spilled(pixels, spill))
            contents.append(None if file is None else spilled(file, spill))
        return TrainingSet(
            spec=spec,
            pixels=stacked(rows, width),
            labels=tuple(entry.label for entry in entries),
            sides=tuple(entry.side for entry in entries),
            files=tuple(contents),
            sources=tuple(entry.source for entry in entries),
            groups=tuple(entry.group for entry in entries),
            missing=len(listed.entries) - len(entries),
        )

    def forget(self, sources: Collection[str]) -> Forgotten:
        """Delete every image that was made from a recorded one, by its SHA-256, and take it off
        every list. Raises ModelError."""
        wanted = frozenset(sources) - {""}
        if not wanted:
            return Forgotten(0, ())
        found = self._forget(wanted) if self._lists.exists() else Forgotten(0, ())
        # Also of one on no list: the gate has looked at it, or a retraining that left it out.
        forget_embeddings()
        return found

    def _forget(self, wanted: frozenset[str]) -> Forgotten:
        images, versions = set[str](), []
        try:
            with self._locked():
                for path in self._all_lists():
                    listed = ImageList.read(path)
                    if listed is None:
                        continue
                    gone = {one.sha256 for one in listed.entries if one.source in wanted}
                    if gone:
                        images |= gone
                        versions.append(f"{path.parent.name}:{path.stem}")
                        kept = [one for one in listed.entries if one.source not in wanted]
                        self._replace(path, ImageList(listed.spec, kept).dump())
                self._sweep()
        except OSError as error:
            raise ModelError(f"{self._root} cannot be written: {error.strerror}.") from error
        return Forgotten(len(images), tuple(versions))

    def _keep(self, name: str, version: str, images: TrainingSet, limit: int) -> None:
        sources = images.sources or ("",) * len(images)
        groups = images.groups or ("",) * len(images)
        entries: list[Entry] = []
        rows: dict[str, int] = {}
        sizes: dict[str, int] = {}
        for row, label in enumerate(images.labels):
            content, form = _content(images, row)
            sha256 = hashlib.sha256(content).hexdigest()
            rows[sha256], sizes[sha256] = row, len(content)
            side = images.sides[row]
            entries.append(Entry(sha256, form, label, side, sources[row], groups[row]))
        try:
            with self._locked():
                self._sweep()
                known = self._sizes()
                new = {sha256: row for sha256, row in rows.items() if sha256 not in known}
                total = sum(known.values()) + sum(sizes[sha256] for sha256 in new)
                if total > limit:
                    raise ModelError(
                        f"with them there would be {total:,} bytes of training images, and the "
                        f"limit is {limit:,}: raise PUPILA_TRAINING_IMAGES_BYTES, or delete "
                        "versions"
                    )
                self._write(images, new)
                listed = ImageList(images.spec, entries)
                self._replace(self._list_of(name, version), listed.dump())
        except OSError as error:
            raise ModelError(f"{self._root} cannot be written: {error.strerror}") from error

    def _image(
        self, entry: Entry, spec: ImageSpec
    ) -> tuple[NDArray[np.uint8] | None, bytes | None]:
        with contextlib.suppress(OSError, ImageError):
            content = read_regular(self._blob(entry.sha256))
            if hashlib.sha256(content).hexdigest() != entry.sha256:
                return None, None
            if entry.form == FILE:
                # With Pillow, which a command that only reads versions does not need.
                from images.decoding import read_pixels

                return read_pixels(content, spec), content
            if len(content) == spec.n_features:
                return np.frombuffer(content, np.uint8), None
        return None, None

    def _size(self, entry: Entry) -> int:
        """0 if it is gone."""
        with contextlib.suppress(OSError):
            return self._blob(entry.sha256).stat().st_size
        return 0

    def _write(self, images: TrainingSet, rows: Mapping[str, int]) -> None:
        """One at a time in memory. What a crash leaves behind is removed by the next ``_sweep``."""
        for sha256, row in rows.items():
            self._replace(self._blob(sha256), _content(images, row)[0])
        for folder in {self._blob(sha256).parent for sha256 in rows}:
            sync(folder)

    def _replace(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, staged = tempfile.mkstemp(dir=path.parent, prefix=".")
        with open(descriptor, "wb") as file:  # noqa: PTH123 - not by its path
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(staged).replace(path)

    def _sweep(self) -> None:
        """Remove lists of versions that are gone, then images that are on no list."""
        for path in self._all_lists():
            version = self._store / path.parent.name / path.stem
            age = time.time() - path.stat().st_mtime
            if not version.exists() and age > _ABANDONED_AFTER_SECONDS:
                path.unlink()
        needed: set[str] = set()
        for path in self._all_lists():
            listed = ImageList.read(path)
            needed |= {entry.sha256 for entry in listed.entries} if listed else set()
        for folder in self._blobs.iterdir() if self._blobs.exists() else ():
            for path in folder.iterdir():
                if path.name not in needed:
                    path.unlink()

    def _sizes(self) -> dict[str, int]:
        """Bytes of all images, by their SHA-256."""
        folders = self._blobs.iterdir() if self._blobs.exists() else ()
        return {path.name: path.stat().st_size for folder in folders for path in folder.iterdir()}

    def _all_lists(self) -> list[Path]:
        return sorted(self._lists.glob("*/*.json"))

    def _blob(self, sha256: str) -> Path:
        return self._blobs / sha256[:2] / sha256

    def _list_of(self, name: str, version: str) -> Path:
        return self._lists / name / f"{version}.json"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time write: a sweep must not meet images that are on no list yet."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _content(images: TrainingSet, row: int) -> tuple[bytes, Form]:
    """What is kept of an image."""
    file = images.files[row] if images.files else None
    if file is None or len(file) >= images.spec.n_features:
        return images.pixels[row].tobytes(), PIXELS
    return content_of(file), FILE
