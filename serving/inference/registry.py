"""Which versions exist, and which one answers for a model."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from errors import BadRequestError, InternalError, ModelError
from models.detached import detached, finished
from models.manifest import Label
from models.store import Store, no_model
from models.version import Version
from serving.background import background
from serving.inference.engine import Engine
from serving.inference.engines import Engines
from settings import Settings

logger = logging.getLogger("pupila.registry")

CHAMPION = "champion"

# The first check waits this long for the store, and for versions to load; the others only for
# this much. What takes longer goes on by itself, so that one disk or version that does not answer
# keeps no other from being found.
_PATIENCE_SECONDS = 8.0
_WATCHING_PATIENCE_SECONDS = 1.0


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
    """The versions in the store, and the champion of each model.

    A champion in use is replaced only once its successor is loaded, so that no request waits or
    fails. Any other version is loaded when it is first requested, while others keep answering. The
    default model's champion always stays in memory.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._versions: dict[str, dict[str, Version]] = {}
        self._champions: dict[str, str] = {}
        self._reading: Future[list[Version]] | None = None
        self._promotions: dict[str, asyncio.Task[Engine]] = {}
        self._engines = Engines(
            settings, pinned=lambda: [self._champions.get(settings.default_model)]
        )

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Check for new versions now, and repeatedly until the block ends."""
        await self._try_refresh()
        if not self.readiness().ready:
            logger.warning("not ready: %s", self.readiness().reason)
        try:
            async with background(self._watch()):
                yield
        finally:
            for promotion in self._promotions.values():
                promotion.cancel()
            self._engines.close()

    async def refresh(self, patience: float = _PATIENCE_SECONDS) -> None:
        """Update the versions from the store, and wait ``patience`` seconds for them to load.

        Raises OSError, and changes nothing, if the store cannot be read, or does not answer.
        """
        found: dict[str, dict[str, Version]] = {}
        for version in await self._read_store(patience):
            found.setdefault(version.name, {})[version.version] = version
        self._versions = found
        known = {version.tag for versions in found.values() for version in versions.values()}
        self._engines.forget_all_but(known)
        for name, tag in list(self._champions.items()):
            if tag not in known:
                del self._champions[name]
        default = self._settings.default_model
        in_use = [n for n in found if n == default or self._champions.get(n) in self._engines]
        started = [promotion for name in in_use if (promotion := self._start_promotion(name))]
        if started:
            await asyncio.wait(started, timeout=patience)

    def loaded(self, model: str) -> Engine | None:
        """The engine that answers for ``clf``, ``clf:champion``, ``clf:<version>`` or, as older
        clients write it, ``clf.pickle``; None if it is not in memory."""
        name, wanted = _parse(model)
        tag = self._champions.get(name) if wanted == CHAMPION else f"{name}:{wanted}"
        return self._engines.get(tag) if tag else None

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
                return await self._engines.load(versions[wanted])
            return await self._promote(name)
        except ModelError as error:
            raise InternalError(f"{name}:{wanted} cannot be loaded.") from error

    def readiness(self) -> Readiness:
        name = self._settings.default_model
        tag = self._champions.get(name)
        if tag in self._engines:
            return Readiness(True, f"{tag} answers.")
        versions = self._versions.get(name, {}).values()
        failures = [
            reason
            for version in versions
            if (reason := self._engines.failure(version.tag)) is not None
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
        return next((tag for tag in reversed(tags) if not self._engines.failure(tag)), tags[-1])

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.refresh_ms / 1000)
            await self._try_refresh(_WATCHING_PATIENCE_SECONDS)

    async def _try_refresh(self, patience: float = _PATIENCE_SECONDS) -> None:
        try:
            await self.refresh(patience)
        except OSError as error:
            logger.warning(
                "the check for new versions failed, and loaded versions keep answering: %s", error
            )
        except Exception:
            logger.exception("the check for new versions failed; loaded versions keep answering")

    async def _read_store(self, patience: float) -> list[Version]:
        """The versions in the store; raises OSError, or TimeoutError while it does not answer.

        A reading that was given up goes on, and no other begins beside it. What one that began
        earlier has found may be older than the call.
        """
        if self._reading is not None and await finished(self._reading, patience):
            self._reading = None
        if self._reading is None:
            self._reading = detached("read the store", self._store.versions)
        reading = self._reading
        if not await finished(reading, patience):
            raise TimeoutError(f"the store has not answered within {patience:g} s")
        self._reading = None
        return reading.result()

    def _start_promotion(self, name: str) -> "asyncio.Task[Engine] | None":
        """Promote in the background; None if that goes on since an earlier check."""
        newest = next(reversed(self._versions[name].values())).tag
        if newest in self._promotions:
            return None
        promotion = asyncio.create_task(self._promote(name))
        self._promotions[newest] = promotion
        promotion.add_done_callback(lambda done: self._end_promotion(newest, done))
        return promotion

    def _end_promotion(self, newest: str, promotion: "asyncio.Task[Engine]") -> None:
        del self._promotions[newest]
        if not promotion.cancelled():
            promotion.exception()  # Retrieved; the engines have logged it.

    async def _promote(self, name: str) -> Engine:
        """Make the newest version that loads the champion; raises ModelError if none loads."""
        for version in reversed(self._versions.get(name, {}).values()):
            try:
                engine = await self._engines.load(version)
            except ModelError:
                continue
            versions = self._versions.get(name, {})
            current = self._champions.get(name, "").partition(":")[2]
            order = list(versions)
            # While it was loading, another task may have promoted a newer one.
            if current not in versions or order.index(current) < order.index(version.version):
                self._champions[name] = version.tag
                logger.info("%s is champion", version.tag)
            self._engines.evict(keep=version.tag)
            return engine
        raise ModelError(f"No version of {name} can be loaded.")


def _parse(model: str) -> tuple[str, str]:
    """The name, and the version or alias, that a client asks for."""
    name, colon, wanted = model.partition(":")
    return name.removesuffix(".pickle"), wanted if colon else CHAMPION


def model_name(model: str) -> str:
    """The model's name in ``clf``, ``clf:champion`` or ``clf.pickle``."""
    return _parse(model)[0]
