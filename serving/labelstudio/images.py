"""The images of tasks: in a ``data:`` URL, on a host that may be asked, or in Label Studio."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from errors import BadRequestError, ImageError, RejectedImageError
from serving.http.base64text import decode_base64
from serving.labelstudio.addresses import Allowed
from serving.labelstudio.fetching import fetch
from serving.labelstudio.token import Token
from serving.offloop import off_loop_if_large
from settings import Settings

_THREADS = 8


class TaskImages:
    """``PUPILA_LABELSTUDIO_URL``: where paths such as ``/data/upload/1/a.png`` are, for which its
    token is sent. Its host is one that may be asked."""

    def __init__(self, settings: Settings) -> None:
        self._base = (settings.labelstudio_url or "").rstrip("/")
        self._max_bytes = settings.max_body_bytes
        self._allowed = Allowed(
            settings.labelstudio_allowed_hosts, private=settings.labelstudio_private
        )
        own = urlsplit(self._base).netloc
        # The operator has named it, so it may be the neighbour that it usually is.
        self._own = Allowed([own] if own else [], private=True)
        self._token = Token(settings.labelstudio_token or "", self._base, self._own)
        self._threads = ThreadPoolExecutor(_THREADS, "labelstudio")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def load(self, source: str, hold: Callable[[int], None]) -> bytes:
        """The bytes of an image file; ``hold`` is called with how many were fetched.

        Raises RejectedImageError, BadRequestError, and what ``hold`` raises.
        """
        if source.startswith("/"):
            if not self._base:
                raise RejectedImageError(
                    "it is in Label Studio, and PUPILA_LABELSTUDIO_URL does not say where that is"
                )
            source = self._base + source
        if not source.lower().startswith(("http://", "https://")):
            return await off_loop_if_large(source.encode(errors="replace"), decode_base64, source)
        is_own = bool(self._base) and source.startswith(f"{self._base}/")
        loop = asyncio.get_running_loop()
        try:
            asking = self._from_label_studio if is_own else self._from_elsewhere
            content = await loop.run_in_executor(self._threads, asking, source)
        except ImageError as error:
            raise RejectedImageError(str(error)) from None
        hold(len(content))
        if not content:
            raise BadRequestError("Image data is required")
        return content

    def _from_label_studio(self, source: str) -> bytes:
        return fetch(source, self._own, self._max_bytes, self._token.authorization())

    def _from_elsewhere(self, source: str) -> bytes:
        return fetch(source, self._allowed, self._max_bytes)
