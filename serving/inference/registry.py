"""Which versions exist, which are loaded, and which one answers for a model."""

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
from models.store import Store, no_model
from models.version import Version
from serving.inference.decoder import Decoder
from serving.inference.engine import Engine
from settings import Settings

logger = logging.getLogger("pupila.registry")

CHAMPION = "champion"

# How long a version that failed to load is not tried again, so that repeated requests for it cost
# no more than requests for one that does not exist.
_RETRY_SECONDS = 10.0

# One batch of a version runs at a time; this many slow versions can run in parallel.
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
    """Whether this worker can answer for the default model, and if not, why."""

    ready: bool
    reason: str


class Registry:
    """The versions in the store and the engines of those in use.

    A champion in use is replaced only once its successor is loaded, so that no request waits or
    fails. Any other version is loaded when it is first requested: once, on a thread, while others
    keep answering. At most ``max_loaded_versions`` stay in memory; the least recently used is
    evicted first, but never the default model's champion.
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
        """Check for new versions now, and repeatedly until the block ends."""
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
        """Update the versions from the store; raises OSError, and changes nothing, if the store
        cannot be read."""
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
        """The engine that answers for ``clf``, ``clf:champion``, ``clf:<version>`` or, as older
        clients write it, ``clf.pickle``; None if it is not in memory."""
        name, wanted = _parse(model)
        tag = self._champions.get(name) if wanted == CHAMPION else f"{name}:{wanted}"
        engine = self._engines.get(tag) if tag else None
        if engine is not None:
            self._engines.move_to_end(engine.version.tag)
        return engine

    async def load(self, model: str) -> Engine:
        """The same engine, loaded if necessary.

        Raises BadRequestError for an unknown version, InternalError if it fails to load.
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
        return Readiness(False, no_model(name))

    def catalog(self) -> list[Listing]:
        """What is served: the models by name, their versions oldest first."""
        return [
            Listing(
                name,
                self._champion(name),
                [(version, version.tag in self._engines) for version in versions.values()],
            )
            for name, versions in self._versions.items()
        ]

    def labels(self, model: str) -> tuple[Label, ...] | None:
        """The classes of the version that answers for a model's name; None for an unknown model.

        Safe to call from any thread.
        """
        versions = self._versions.get(model)
        if not versions:
            return None
        tag = self._champions.get(model, "")
        newest = next(reversed(versions.values()))
        return versions.get(tag.partition(":")[2], newest).manifest.labels

    def _champion(self, name: str) -> str:
        """The version that answers, or would: else the newest one that has not failed to load."""
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
            logger.exception("the check for new versions failed; loaded versions keep answering")

    async def _promote(self, name: str) -> Engine:
        """Make the newest version that loads the champion; raises ModelError if none loads."""
        for version in reversed(self._versions.get(name, {}).values()):
            try:
                engine = await self._load(version)
            except ModelError:
                continue
            versions = self._versions.get(name, {})
            current = self._champions.get(name, "").partition(":")[2]
            order = list(versions)
            # While it was loading, another task may have promoted a newer one.
            if current not in versions or order.index(current) < order.index(version.version):
                self._champions[name] = version.tag
                logger.info("%s is champion", version.tag)
            self._evict(keep=version.tag)
            return engine
        raise ModelError(f"No version of {name} can be loaded.")

    async def _load(self, version: Version) -> Engine:
        """The version's engine; the first caller loads it, and the others wait for that."""
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
        # Shielded: a client that disconnects must not cancel the load that others wait for.
        return await asyncio.shield(task)

    def _loaded(self, tag: str, task: asyncio.Task[Engine]) -> None:
        del self._loading[tag]
        if not task.cancelled():
            task.exception()  # Retrieved here, because no caller may be left to do it.

    async def _open(self, version: Version) -> Engine:
        tag = version.tag
        try:
            engine = await asyncio.to_thread(
                Engine, version, self._decoder, self._classifiers, self._settings
            )
        except Exception as error:
            known = isinstance(error, ModelError)
            reason = str(error) if known else f"{tag} failed to load; see the log for the reason."
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
                logger.info("%s was evicted from memory", tag)


def _parse(model: str) -> tuple[str, str]:
    """The name, and the version or alias, that a client asks for."""
    name, colon, wanted = model.partition(":")
    return name.removesuffix(".pickle"), wanted if colon else CHAMPION


def model_name(model: str) -> str:
    """The model's name in ``clf``, ``clf:champion`` or ``clf.pickle``."""
    return _parse(model)[0]
