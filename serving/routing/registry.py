"""Which versions exist, and which one answers for a model."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from errors import BadRequestError, InternalError, ModelError, OverloadedError
from models.detached import detached, finished
from models.manifest import Label
from models.names import model_name, no_model
from models.store import Store
from models.version import Version
from records.routing import CHALLENGER, CHAMPION, Rollout, Routing
from serving.background import background
from serving.inference.engine import Engine
from serving.lookout import lookout
from serving.routing.champions import Champions
from serving.routing.trials import Trials
from settings import Settings

logger = logging.getLogger("pupila.registry")

# The first check waits this long for the store, and for versions to load; the others only for
# this much. What takes longer goes on by itself, so that one disk or version that does not answer
# keeps no other from being found.
_PATIENCE_SECONDS = 8.0
_WATCHING_PATIENCE_SECONDS = 1.0
# What no look tells is tried anew after so many.
_AGAIN_SECONDS = 3.0


class Listing(NamedTuple):
    """A model, the tags of its champion and challenger, its versions with whether each is in
    memory, and its rollout."""

    name: str
    champion: str
    versions: list[tuple[Version, bool]]
    challenger: str | None = None
    rollout: Rollout | None = None


@dataclass(frozen=True)
class Readiness:
    """Whether this worker can answer for the default model, and if not, why."""

    ready: bool
    reason: str


class Registry:
    """The versions in the store, and the champion of each model.

    A champion in use is replaced only once its successor is loaded, so that no request waits or
    fails. Any other version is loaded when it is first requested, while others keep answering. The
    default model's champion always stays in memory, and so do both versions of a rollout.
    """

    def __init__(self, store: Store, settings: Settings, trials: Trials | None = None) -> None:
        self._store = store
        self._settings = settings
        self._complaint = ""
        self._has_read = False
        self._reading: Future[list[Version]] | None = None
        self._one_reads = asyncio.Lock()
        self.trials = trials or Trials(settings)
        self.champions = Champions(settings, self.trials)
        self._tags = self.champions.tags
        self._engines = self.champions.engines

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Check for new versions now, and repeatedly until the block ends."""
        await self._try_refresh()
        if not self.readiness().ready:
            logger.warning("not ready: %s", self.readiness().reason)
        seconds = self._settings.refresh_ms / 1000
        looking = lookout("the check for new versions", seconds, self._look, self._follow, logger)
        try:
            async with looking, background(self._watch()), self._engines.spare.watching():
                yield
        finally:
            self.champions.close()

    async def refresh(self, patience: float = _PATIENCE_SECONDS) -> None:
        """Update the versions from the store, and wait ``patience`` seconds for them to load.

        Raises OSError, and changes nothing, if the store cannot be read, or does not answer.
        """
        found: dict[str, dict[str, Version]] = {}
        async with self._one_reads:
            versions = await self._read_store(patience)
        for version in versions:
            found.setdefault(version.name, {})[version.version] = version
        self._has_read = True
        started = self.champions.refresh(found)
        if started:
            await asyncio.wait(started, timeout=patience)

    async def look_for(self, routings: Iterable[Routing]) -> None:
        """Read the store now if it was read before and lacked one of their versions then."""
        versions = self.champions.versions
        lacking = any(
            version is not None and version not in versions.get(one.model, {})
            for one in routings
            for version in (one.champion, one.challenger)
        )
        if versions and lacking:
            await self._try_refresh(_WATCHING_PATIENCE_SECONDS)

    def usable(self) -> set[str]:
        """Tags of the versions in the store, without those that failed to load."""
        return {
            version.tag
            for versions in self.champions.versions.values()
            for version in versions.values()
            if self._engines.failure(version.tag) is None
        }

    def loaded(self, model: str) -> Engine | None:
        """The engine that answers for ``clf``, ``clf:<version>``, ``clf:<alias>`` or, as older
        clients write it, ``clf.pickle``; None if it is not in memory.

        While a rollout is going on, ``trials`` answers for ``clf`` and ``clf.pickle``.
        """
        name, wanted = _parse(model)
        tag = self._tags.get(name) if wanted == CHAMPION else f"{name}:{wanted}"
        if wanted == CHALLENGER:
            tag = self.champions.challenger(name)
        return self._engines.get(tag) if tag else None

    async def load(self, model: str) -> Engine:
        """The same engine, loaded if necessary.

        Raises BadRequestError for an unknown version, InternalError if it fails to load, and
        OverloadedError until the store was read.
        """
        self._know_versions()
        name, wanted = _parse(model)
        versions = self.champions.versions.get(name, {})
        if wanted == CHALLENGER:
            wanted = (self.champions.challenger(name) or "").partition(":")[2]
        if not versions or (wanted != CHAMPION and wanted not in versions):
            raise BadRequestError("Invalid model name")
        try:
            if wanted != CHAMPION:
                return await self._engines.load(versions[wanted])
            return await self.champions.promote(name)
        except ModelError as error:
            raise InternalError(f"{name}:{wanted} cannot be loaded.") from error

    def readiness(self) -> Readiness:
        name = self._settings.default_model
        tag = self._tags.get(name)
        if tag in self._engines:
            return Readiness(True, f"{tag} answers.")
        versions = self.champions.versions.get(name, {}).values()
        if not self._has_read:
            return Readiness(False, "The model store could not be read yet; see the server's log.")
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
                self.champions.challenger(name),
                self.champions.rollout(name),
            )
            for name, versions in self.champions.versions.items()
        ]

    def labels(self, model: str) -> tuple[Label, ...] | None:
        """The classes of the version that answers for a model's name; None for an unknown model.

        Safe to call from any thread. Raises OverloadedError until the store was read.
        """
        self._know_versions()
        versions = self.champions.versions.get(model)
        if not versions:
            return None
        tag = self._tags.get(model, "")
        newest = next(reversed(versions.values()))
        return versions.get(tag.partition(":")[2], newest).manifest.labels

    def find(self, model: str) -> Version | None:
        """The version that would answer for a model's name, version or alias; None if there is
        none. Loads nothing. Raises OverloadedError until the store was read."""
        self._know_versions()
        name, wanted = _parse(model)
        versions = self.champions.versions.get(name)
        if not versions:
            return None
        if wanted == CHAMPION:
            wanted = self._champion(name).partition(":")[2]
        elif wanted == CHALLENGER:
            wanted = (self.champions.challenger(name) or "").partition(":")[2]
        return versions.get(wanted)

    def failure(self, version: Version) -> str | None:
        """Why a version cannot answer; None if it can, even if it is loaded first."""
        return self._engines.failure(version.tag)

    def _know_versions(self) -> None:
        """A client is not to be told that it asked for the wrong model while none is known."""
        if not self._has_read:
            raise OverloadedError("The model store could not be read yet; try again.", "loading")

    def _champion(self, name: str) -> str:
        """The version that answers, or would: else the newest one that has not failed to load."""
        tag = self._tags.get(name)
        if tag is not None and tag in self._engines:
            return tag
        routing = self.champions.routings.get(name)
        if routing is not None and routing.champion in self.champions.versions[name]:
            return f"{name}:{routing.champion}"
        tags = [version.tag for version in self.champions.versions[name].values()]
        return next((tag for tag in reversed(tags) if not self._engines.failure(tag)), tags[-1])

    def _look(self) -> bool | None:
        """On a thread of its own, since the store may not answer."""
        with contextlib.suppress(OSError):
            return self._store.may_have_changed() or None
        # Reading it says why.
        return True

    async def _follow(self, _has_changed: bool) -> None:
        await self._try_refresh(_WATCHING_PATIENCE_SECONDS)

    async def _watch(self) -> None:
        """For what no look tells: that the store does not answer, and what is to be tried again."""
        while True:
            await asyncio.sleep(max(_AGAIN_SECONDS, self._settings.refresh_ms / 1000))
            await self._try_refresh(_WATCHING_PATIENCE_SECONDS)

    async def _try_refresh(self, patience: float = _PATIENCE_SECONDS) -> None:
        try:
            await self.refresh(patience)
        except Exception as error:
            # Once, and not twice a second for as long as it lasts.
            complaint, self._complaint = self._complaint, repr(error)
            if complaint == self._complaint:
                return
            said = "the check for new versions failed, and loaded versions keep answering"
            if isinstance(error, OSError):
                logger.warning("%s: %s", said, error)
            else:
                logger.exception(said)
        else:
            if self._complaint:
                logger.warning("new versions are looked for again")
            self._complaint = ""

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


def _parse(model: str) -> tuple[str, str]:
    """The name, and the version or alias, that a client asks for."""
    name, colon, wanted = model.partition(":")
    return model_name(name), wanted if colon else CHAMPION
