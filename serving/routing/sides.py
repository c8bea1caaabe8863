"""Which requests of a rollout the challenger answers: a stable proportion of them."""

import logging
import random
from hashlib import blake2b
from typing import Final

from serving.metrics import ROLLOUT_REPEATED

logger = logging.getLogger("pupila.routing")

# An id that makes up more than 1 in this many requests is certain to be found.
_COUNTED: Final = 64

# How often it must have come before it counts as repeated.
_OFTEN: Final = 32

_MOST_REPEATED: Final = 4096

# Of each end of a file: enough to tell images apart, in 5 µs whatever their size.
_IMAGE_BYTES: Final = 2048


class Sides:
    """Tells for each request whether its side is the challenger's.

    A hash of the rollout and the request's id is a point between 0 and 1, the same in every worker
    and after every restart; the challenger's side are those below the share. So an id stays on its
    side while the share grows.

    Some clients send the same few ids again and again: by the id alone, the challenger would get
    all of their requests or none. For such an id the image is taken in, and where that repeats too,
    chance decides.
    """

    def __init__(self, model: str, rollout_id: int) -> None:
        self._repeated = ROLLOUT_REPEATED.labels(model)
        self._warned = False
        self._key = f"rollout {rollout_id}".encode()
        self._often = _Often()

    def is_challengers(self, request_id: str | int | None, image: bytes, share: float) -> bool:
        """Whether the challenger answers, which it does for the proportion ``share``."""
        text = str(request_id).encode("utf-8", "surrogatepass")
        if not self._often.saw(text):
            return self._point(text) < share
        if not self._warned:
            self._warned = True
            logger.warning(
                "the request id %.40r comes again and again, so that images take part in deciding "
                "who answers; ids that differ keep each client's request on its side",
                request_id,
            )
        self._repeated.inc()
        content = b"%b %d %b%b" % (text, len(image), image[:_IMAGE_BYTES], image[-_IMAGE_BYTES:])
        point = self._point(content)
        if self._often.saw(point.hex().encode()):
            point = random.random()  # noqa: S311 - not used for secrets
        return point < share

    def _point(self, content: bytes) -> float:
        # Not a CRC: those of one id in two rollouts differ by a constant, and so the same clients
        # would be the first ones of every rollout.
        digest = blake2b(content, digest_size=7, key=self._key).digest()
        return int.from_bytes(digest, "big") / 2.0**56


class _Often:
    """Finds what comes often, in little memory: Misra and Gries (1982), "Finding repeated
    elements"."""

    def __init__(self) -> None:
        self._counts: dict[bytes, int] = {}
        self._found: set[bytes] = set()

    def saw(self, what: bytes) -> bool:
        """Count it; whether it has come often."""
        if what in self._found:
            return True
        counts = self._counts
        count = counts.get(what, 0) + 1
        if count > _OFTEN and len(self._found) < _MOST_REPEATED:
            self._found.add(what)
            counts.pop(what)
            return True
        if count > 1 or len(counts) < _COUNTED:
            counts[what] = count
        else:
            self._counts = {key: left - 1 for key, left in counts.items() if left > 1}
        return False
