"""Large images as they were decoded, kept for a moment: whoever copies one need not decode again.

A photo of 12 megapixels takes 60 ms to decode at a quarter of its sides, and 10 to write again as a
small JPEG.
"""

import threading
from collections import OrderedDict
from typing import NamedTuple

from images.decoding import Decoded


class _Kept(NamedTuple):
    # Holds on to the file, so that no other can have its address.
    data: bytes
    decoded: Decoded
    size: int


class ReducedImages:
    """The newest of at most ``max_bytes`` of pixels, by the file's object, which is the same from
    the request to its record; from any thread.

    What is not to be copied after all is to be dropped. Of 40 photos of 12 megapixels a second, of
    which the recorder keeps ten, three of the ten had lost their place to some of the others.
    """

    def __init__(self, max_bytes: int) -> None:
        self._free = max_bytes
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, data: bytes, decoded: Decoded) -> None:
        """Until it is taken, or others need its place."""
        image = decoded.image
        kept = _Kept(data, decoded, image.width * image.height * len(image.getbands()))
        with self._lock:
            self._remove(id(data))
            self._kept[id(data)] = kept
            self._free -= kept.size
            while self._free < 0:
                self._remove(next(iter(self._kept)))

    def take(self, data: bytes) -> Decoded | None:
        """The image of that file, if it is still there."""
        with self._lock:
            return self._remove(id(data))

    def drop(self, data: bytes | None) -> None:
        """Nobody will take the image of that file. On the path of each prediction, where there is
        mostly none."""
        if self._kept and data is not None:
            self.take(data)

    def _remove(self, key: int) -> Decoded | None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return None
        self._free += kept.size
        return kept.decoded
