"""Which versions there are, which are loaded, and which answers for a model."""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from errors import BadRequestError, InternalError, ModelError
from models.manifest import Label
from models.store import Store
from models.version import Version
from serving.inference.decoder import Decoder
from serving.inference.engine import Engine
from settings import Settings

logger = logging.getLogger("pupila.registry")

CHAMPION = "champion"

# How long a version that would not load is left alone, so that asking for it again and again
# costs no more than asking for one that does not exist.
_RETRY_SECONDS = 10.0

# One batch of a version runs at a time; this many slow versions run beside each other.
_CLASSIFIERS = 4


class _Failure(NamedTuple):
    until: float
    reason: str


class Listing(NamedTuple):
    """A model, the tag of its champion, and its versions with whether each is in memory."""

    name: str
    champion: str
    versions: list[tuple[Version, bool]]


@dataclass(frozen=True)
class Readiness:
    """Whether this worker can answer for the default model, and why not."""

    ready: bool
    reason: str


class Registry:
    """The versions in the store and the engines of those in use.

    A champion in use is replaced only once its successor is loaded, so that no request waits or
    fails. Any other version is loaded when it is first asked for: once, on a thread, while others
    keep answering. At most ``max_loaded_versions`` are held; the least recently used goes first,
    but never the default model's champion.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._decoder = Decoder(settings.max_image_pixels)
        self._classifiers = ThreadPoolExecutor(_CLASSIFIERS, "classify")
        self._versions: dict[str, dict[str, Version]] = {}
        self._champions: dict[str, str] = {}
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Engine]] = {}
        self._failures: dict[str, _Failure] = {}

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look for new versions now, and again and again until the block ends."""
        await self._try_refresh()
        if not self.readiness().ready:
            logger.warning("not ready: %s", self.readiness().reason)
        watcher = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher
            self._decoder.close()
            self._classifiers.shutdown(wait=False, cancel_futures=True)

    async def refresh(self) -> None:
        """Take in what the store has now; raises OSError, and changes nothing, if it cannot be
        read."""
        found: dict[str, dict[str, Version]] = {}
        for version in await asyncio.to_thread(self._store.versions):
            found.setdefault(version.name, {})[version.version] = version
        self._versions = found
        known = {version.tag for versions in found.values() for version in versions.values()}
        for tag in self._engines.keys() - known:
            del self._engines[tag]
        for tag in self._failures.keys() - known:
            del self._failures[tag]
        for name, tag in list(self._champions.items()):
            if tag not in known:
                del self._champions[name]
        default = self._settings.default_model
        in_use = [n for n in found if n == default or self._champions.get(n) in self._engines]
        await asyncio.gather(*map(self._promote, in_use), return_exceptions=True)

    def loaded(self, model: str) -> Engine | None:
        """The engine that answers for ``clf``, ``clf:champion``, ``clf:<version>``, or, as older
        clients say it, ``clf.pickle``; None if it is not in memory."""
        name, wanted = _parse(model)
        tag = self._champions.get(name) if wanted == CHAMPION else f"{name}:{wanted}"
        engine = self._engines.get(tag) if tag else None
        if engine is not None:
            self._engines.move_to_end(engine.version.tag)
        return engine

    async def load(self, model: str) -> Engine:
        """The same engine, loaded if need be.

        Raises BadRequestError if there is no such version, InternalError if it does not load.
        """
        name, wanted = _parse(model)
        versions = self._versions.get(name, {})
        if not versions or (wanted != CHAMPION and wanted not in versions):
            raise BadRequestError("Invalid model name")
        try:
            if wanted != CHAMPION:
                return await self._load(versions[wanted])
            return await self._promote(name)
        except ModelError as error:
            raise InternalError(f"{name}:{wanted} cannot be loaded.") from error

    def readiness(self) -> Readiness:
        name = self._settings.default_model
        tag = self._champions.get(name)
        if tag in self._engines:
            return Readiness(True, f"{tag} answers.")
        failures = [
            self._failures[version.tag].reason
            for version in self._versions.get(name, {}).values()
            if version.tag in self._failures
        ]
        if failures:
            return Readiness(False, f"No version of model {name!r} can be loaded: {failures[-1]}")
        return Readiness(
            False, f"The store has no model {name!r}; train one with: python -m train --name {name}"
        )

    def catalog(self) -> list[Listing]:
        """What is served, the models in order of name, their versions oldest first."""
        return [
            Listing(
                name,
                self._champion(name),
                [(version, version.tag in self._engines) for version in versions.values()],
            )
            for name, versions in self._versions.items()
        ]

    def labels(self, model: str) -> tuple[Label, ...] | None:
        """The classes of what answers for a model's name; None if there is no such model.

        From any thread.
        """
        versions = self._versions.get(model)
        if not versions:
            return None
        tag = self._champions.get(model, "")
        newest = next(reversed(versions.values()))
        return versions.get(tag.partition(":")[2], newest).manifest.labels

    def _champion(self, name: str) -> str:
        """Who would answer for the model: who does, or else the newest that has not failed."""
        tag = self._champions.get(name)
        if tag is not None and tag in self._engines:
            return tag
        tags = [version.tag for version in self._versions[name].values()]
        return next((tag for tag in reversed(tags) if tag not in self._failures), tags[-1])

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.refresh_ms / 1000)
            await self._try_refresh()

    async def _try_refresh(self) -> None:
        try:
            await self.refresh()
        except Exception:
            logger.exception("looking for versions failed; what is loaded goes on")

    async def _promote(self, name: str) -> Engine:
        """Make the newest version that loads the champion; raises ModelError if none does."""
        for version in reversed(self._versions.get(name, {}).values()):
            try:
                engine = await self._load(version)
            except ModelError:
                continue
            versions = self._versions.get(name, {})
            current = self._champions.get(name, "").partition(":")[2]
            order = list(versions)
            # While it was loaded, another task may have promoted a newer one.
            if current not in versions or order.index(current) < order.index(version.version):
                self._champions[name] = version.tag
                logger.info("%s is champion", version.tag)
            self._evict(keep=version.tag)
            return engine
        raise ModelError(f"No version of {name} can be loaded.")

    async def _load(self, version: Version) -> Engine:
        """The version's engine, loaded by whoever asks first; the others wait for the same."""
        tag = version.tag
        engine = self._engines.get(tag)
        if engine is not None:
            return engine
        failure = self._failures.get(tag)
        if failure is not None and time.monotonic() < failure.until:
            raise ModelError(failure.reason)
        task = self._loading.get(tag)
        if task is None:
            task = self._loading[tag] = asyncio.create_task(self._open(version))
            task.add_done_callback(lambda done: self._loaded(tag, done))
        # Shielded: a client that leaves must not end the load that others wait for.
        return await asyncio.shield(task)

    def _loaded(self, tag: str, task: asyncio.Task[Engine]) -> None:
        del self._loading[tag]
        if not task.cancelled():
            task.exception()  # Whoever asked may have left: the failure is noted all the same.

    async def _open(self, version: Version) -> Engine:
        tag = version.tag
        try:
            engine = await asyncio.to_thread(
                Engine, version, self._decoder, self._classifiers, self._settings
            )
        except Exception as error:
            known = isinstance(error, ModelError)
            reason = str(error) if known else f"{tag} failed to load; the log has the reason."
            if tag not in self._failures:
                logger.warning("%s is not served: %s", tag, reason, exc_info=not known)
            self._failures[tag] = _Failure(time.monotonic() + _RETRY_SECONDS, reason)
            raise ModelError(reason) from error
        self._failures.pop(tag, None)
        self._engines[tag] = engine
        self._evict(keep=tag)
        return engine

    def _evict(self, keep: str) -> None:
        pinned = {keep, self._champions.get(self._settings.default_model)}
        for tag in list(self._engines):
            if len(self._engines) <= self._settings.max_loaded_versions:
                return
            if tag not in pinned:
                del self._engines[tag]
                logger.info("%s is no longer held in memory", tag)


def _parse(model: str) -> tuple[str, str]:
    """Name and version or alias of what a client asks for."""
    name, colon, wanted = model.partition(":")
    return name.removesuffix(".pickle"), wanted if colon else CHAMPION


def model_name(model: str) -> str:
    """The name of the model that a client means by ``clf``, ``clf:champion`` or ``clf.pickle``."""
    return _parse(model)[0]
