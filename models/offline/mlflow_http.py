"""What an MLflow server answers, within limits of size and time, and from nowhere else."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx

from errors import SourceError
from models.offline.pickle_machine import escaped

MAX_BYTES: Final = 2 * 2**30
"""Of a model's file."""

MAX_TEXT_BYTES: Final = 4 * 2**20
"""Of an answer of the API, and of a file that describes the model."""

ANSWER_SECONDS: Final = 30.0
DOWNLOAD_SECONDS: Final = 1800.0
_SILENT_SECONDS: Final = 15.0

_NUMBER: Final = re.compile(r"\d{1,18}")
_NOT_THERE: Final = "RESOURCE_DOES_NOT_EXIST"

_Result = TypeVar("_Result")


class MlflowHttp:
    """No redirect is followed, so that credentials go to no other host. Raises SourceError."""

    def __init__(self, uri: str, authorization: str | None = None) -> None:
        try:
            parts = urlsplit(uri)
            known = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            known = False
        if not known:
            raise SourceError(
                "An MLflow server's address begins with http:// or https:// and has a host, such "
                "as https://mlflow.example.com: give it by --tracking-uri or MLFLOW_TRACKING_URI."
            )
        self.host = str(parts.hostname)
        self.netloc = parts.netloc.rpartition("@")[2]
        self._base = uri.rstrip("/")
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "pupila"}
        if authorization is not None:
            self._headers["Authorization"] = authorization

    def json(self, path: str, missing: str | None = None) -> dict[str, Any]:
        """An object of the API. ``missing``: what to say where there is none."""
        content = self.get(path, missing)
        try:
            found = json.loads(content or b"")
        except (ValueError, RecursionError):
            found = None
        if type(found) is not dict:
            raise self.lie("which is not a JSON object")
        return found

    def get(self, path: str, missing: str | None = None) -> bytes | None:
        """A small answer; None if it is not there and ``missing`` does not say what to say."""
        kept = bytearray()
        asking = self._stream(path, MAX_TEXT_BYTES, kept.extend, missing)
        return bytes(kept) if self._wait(asking, ANSWER_SECONDS) else None

    def download(self, path: str, write: Callable[[bytes], object]) -> bool:
        """Whether it is there; ``write`` is called with its pieces."""
        return self._wait(self._stream(path, MAX_BYTES, write), DOWNLOAD_SECONDS)

    def lie(self, what: str) -> SourceError:
        return SourceError(f"MLflow at {self.host} gave an answer {what}: is it an MLflow server?")

    def _wait(self, asking: Awaitable[_Result], seconds: float) -> _Result:
        """Ends after ``seconds``, however slowly the server speaks."""

        async def within() -> _Result:
            async with asyncio.timeout(seconds):
                return await asking

        try:
            return asyncio.run(within())
        except TimeoutError:
            raise SourceError(
                f"MLflow at {self.host} did not finish an answer within {seconds:.0f} s: "
                "try again, or download the model's folder and import that."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise SourceError(
                f"MLflow at {self.host} cannot be reached ({type(error).__name__}): check "
                "--tracking-uri or MLFLOW_TRACKING_URI, and that it runs."
            ) from None

    async def _stream(
        self, path: str, limit: int, write: Callable[[bytes], object], missing: str | None = None
    ) -> bool:
        """Whether it is there; ``write`` is called with its pieces."""
        async with (
            httpx.AsyncClient(timeout=_SILENT_SECONDS, headers=self._headers) as client,
            client.stream("GET", self._base + path) as answer,
        ):
            status = answer.status_code
            if status != httpx.codes.OK:
                reason = await self._reason(answer)
                if status == httpx.codes.NOT_FOUND and missing is None:
                    return False
                raise self._refused(status, reason, missing)
            declared = answer.headers.get("Content-Length", "")
            size = 0
            if not (_NUMBER.fullmatch(declared) and int(declared) > limit):
                async for piece in answer.aiter_bytes():
                    size += len(piece)
                    if size > limit:
                        break
                    write(piece)
                else:
                    return True
        raise SourceError(
            f"MLflow at {self.host} sends a file of more than {limit:,} bytes, which is the limit."
        )

    async def _reason(self, answer: httpx.Response) -> tuple[str, str]:
        """The code and the sentence of an error, as far as MLflow has said them."""
        kept = b""
        async for piece in answer.aiter_bytes():
            kept += piece[:MAX_TEXT_BYTES]
            if len(kept) > MAX_TEXT_BYTES:
                break
        try:
            found = json.loads(kept)
            return str(found["error_code"]), escaped(str(found.get("message") or ""))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return "", ""

    def _refused(self, status: int, reason: tuple[str, str], missing: str | None) -> SourceError:
        code, sentence = reason
        if missing is not None and (code == _NOT_THERE or "not found" in sentence):
            return SourceError(f"{missing}.")
        if status in (401, 403):
            return SourceError(
                f"MLflow at {self.host} answered {status}: give PUPILA_MLFLOW_USERNAME and "
                "PUPILA_MLFLOW_PASSWORD, or PUPILA_MLFLOW_TOKEN, of somebody who may read the "
                "model."
            )
        if 300 <= status < 400:
            return SourceError(
                f"MLflow at {self.host} answered {status}, a redirect, which is not followed: give "
                "the address that it leads to by --tracking-uri."
            )
        said = f" ({sentence.rstrip('.')})" if sentence else ""
        return SourceError(f"MLflow at {self.host} answered {status}{said}: is the model there?")
