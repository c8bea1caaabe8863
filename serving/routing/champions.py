"""Which version answers for each model, and the changes from one to the next."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping

from errors import ModelError
from logs.lines import fields
from models.version import Version
from records.routing import CANDIDATE, CHALLENGER, CHAMPION, Rollout, Routing
from serving.http.routes import PREDICT, PREDICT_BATCH
from serving.inference.ahead import Ahead
from serving.inference.engine import Engine
from serving.inference.engines import Engines
from serving.metrics import ROLLOUT_MISSING
from serving.routing.trials import Trials
from settings import Settings

logger = logging.getLogger("pupila.registry")

# Of a version that is to answer, the metrics of these are made before.
_ROUTES = (PREDICT.path, PREDICT_BATCH.path)

_NOT_HERE = "it is not in the store"


class Champions:
    """The champion of a model is what was decided, once ``follow`` was told; until then, and for
    the other models, it is the newest version that loads.

    A champion in use is replaced only once its successor is loaded, so that no request waits or
    fails. ``versions``: those in the store, by model, oldest first. ``tags``: of who answers.
    """

    def __init__(self, settings: Settings, trials: Trials) -> None:
        self.versions: dict[str, dict[str, Version]] = {}
        self.tags: dict[str, str] = {}
        self.routings: dict[str, Routing] = {}
        self._default = settings.default_model
        self._trials = trials
        self.engines = Engines(settings, self._pinned)
        self._ahead = Ahead(settings.max_loaded_versions)
        self._promotions: dict[str, asyncio.Task[None]] = {}
        self._following: set[asyncio.Task[None]] = set()
        self._lacking: dict[str, set[str]] = {}

    def close(self) -> None:
        for promotion in self._promotions.values():
            promotion.cancel()
        self._trials.close()
        self.engines.close()

    def refresh(self, versions: dict[str, dict[str, Version]]) -> list[asyncio.Task[None]]:
        """These are in the store now. Returns the promotions that this begins."""
        self.versions = versions
        known = {version.tag for each in versions.values() for version in each.values()}
        # What was decided to answer goes on, even if its files are gone.
        decided = {tag for name, tag in self.tags.items() if name in self.routings}
        self.engines.forget_all_but(known | decided)
        for name, tag in list(self.tags.items()):
            if tag not in known and tag not in self.engines:
                del self.tags[name]
        return [task for name in self._in_use() if (task := self._start_promotion(name))]

    async def follow(self, routings: Mapping[str, Routing], patience: float = 1.0) -> None:
        """From now on, these say who answers, for the models that they name.

        A rollout that has ended gets no request from now on. A new champion answers, and a new
        challenger is tried, once it is loaded, which is waited for some seconds at most; see
        ``settled``.
        """
        before, self.routings = self.routings, dict(routings)
        changed = [
            name
            for name in before.keys() | routings.keys()
            if before.get(name) != routings.get(name)
        ]
        for name in changed:
            self._lacking.pop(name, None)
            self._try_out(name)
        in_use = self._in_use()
        started = {
            task for name in changed if name in in_use and (task := self._start_promotion(name))
        }
        self._following = {task for task in self._following if not task.done()} | started
        if started:
            await asyncio.wait(started, timeout=patience)

    @property
    def settled(self) -> bool:
        """Whether all that ``follow`` was told is in force, as far as it can be here."""
        return all(task.done() for task in self._following)

    def _in_use(self) -> set[str]:
        """The models whose champion is kept up to date, loaded or not."""
        default = self._default
        rolled_out = {name for name, routing in self.routings.items() if routing.rollout}
        return {
            name
            for name in self.versions
            if name == default or name in rolled_out or self.tags.get(name) in self.engines
        } | self._ahead.models(self._expected())

    def _expected(self) -> Iterator[Version]:
        """The champion of each model but the default one, as was decided, or else the newest."""
        for name, versions in self.versions.items():
            if name != self._default:
                routing = self.routings.get(name)
                decided = versions.get(routing.champion) if routing is not None else None
                yield decided or next(reversed(versions.values()))

    def _pinned(self) -> set[str | None]:
        """What is never evicted: the default model's champion, and whoever is in a rollout."""
        pinned = {self.tags.get(self._default)}
        for name, routing in self.routings.items():
            if routing.rollout is not None:
                pinned |= {self.tags.get(name), f"{name}:{routing.challenger}"}
        return pinned

    def rollout(self, name: str) -> Rollout | None:
        """The one of a model that is going on."""
        routing = self.routings.get(name)
        return routing.rollout if routing is not None else None

    def challenger(self, name: str) -> str | None:
        """The tag of a model's challenger."""
        routing = self.routings.get(name)
        if routing is None or routing.challenger is None:
            return None
        return f"{name}:{routing.challenger}"

    def _start_promotion(self, name: str) -> "asyncio.Task[None] | None":
        """Promote in the background; None if that goes on since an earlier check."""
        routing = self.routings.get(name)
        newest = next(reversed(self.versions[name].values())).tag
        wanted = newest if routing is None else f"{name}:{routing.champion}:{routing.challenger}"
        present = self._promotions.get(wanted)
        # One that is done may have seen an earlier decision, and is only not taken out yet.
        if present is not None and not present.done():
            return None
        promotion = asyncio.create_task(self._bring_up_to_date(name))
        self._promotions[wanted] = promotion
        promotion.add_done_callback(lambda done: self._end_promotion(wanted, done))
        return promotion

    def _end_promotion(self, wanted: str, promotion: "asyncio.Task[None]") -> None:
        if self._promotions.get(wanted) is promotion:
            del self._promotions[wanted]
        error = None if promotion.cancelled() else promotion.exception()
        # Of those that are no ModelError, nobody has said anything yet.
        if error is not None and not isinstance(error, ModelError):
            logger.error("a change of the champion failed", exc_info=error)

    async def _bring_up_to_date(self, name: str) -> None:
        """Promote, and then load the challenger, which must not hold up the champion; again, if
        something else was decided meanwhile."""
        while True:
            await self.promote(name)
            routing = self.routings.get(name)
            await self._load_challenger(name)
            if self.routings.get(name) is routing:
                break
        self._try_out(name)

    async def _load_challenger(self, name: str) -> None:
        tag = self.challenger(name)
        if tag is None:
            return
        version = self.versions.get(name, {}).get(tag.partition(":")[2])
        if version is None:
            self._lacks(name, tag, _NOT_HERE)
            return
        try:
            (await self.engines.load(version)).warm(_ROUTES)
        except ModelError as error:
            self._lacks(name, tag, str(error))

    def _try_out(self, name: str) -> None:
        """Have the rollout of a model in force, if it has one and both versions are in memory."""
        routing = self.routings.get(name)
        rollout = routing.rollout if routing is not None else None
        past = self._trials.running.get(name)
        champion = challenger = None
        if rollout is not None and self.tags.get(name) == f"{name}:{rollout.champion}":
            champion = self.engines.peek(f"{name}:{rollout.champion}")
            challenger = self.engines.peek(f"{name}:{rollout.challenger}")
        if rollout is None or champion is None or challenger is None:
            self._trials.end(name)
        else:
            challenger.role = CHALLENGER
            self._trials.set(rollout, champion, challenger)
        if past is not None and past is not self._trials.running.get(name):
            was = past.challenger
            if was is not challenger and (
                routing is None or was.version.version != routing.champion
            ):
                was.role = CANDIDATE
                self.engines.drop(was.version.tag)
        if past is not self._trials.running.get(name):
            self._trials.roles_changed()

    async def promote(self, name: str) -> Engine:
        """Make the version that was decided the champion, or else the newest that loads.

        Where what was decided is not here or does not load, whoever answers goes on. Raises
        ModelError if no version loads.
        """
        routing = self.routings.get(name)
        if routing is None:
            return await self._promote_newest(name)
        versions = self.versions.get(name, {})
        tag = f"{name}:{routing.champion}"
        fault = _NOT_HERE
        engine = self.engines.peek(tag)
        if engine is None and routing.champion in versions:
            try:
                engine = await self.engines.load(versions[routing.champion])
            except ModelError as error:
                fault = str(error)
        if self.routings.get(name) is not routing:
            return await self.promote(name)
        if engine is not None:
            self._crown(name, engine)
            return engine
        self._lacks(name, tag, fault)
        present = self.tags.get(name)
        if present is not None:
            engine = self.engines.peek(present)
            version = versions.get(present.partition(":")[2])
            if engine is None and version is not None:
                with contextlib.suppress(ModelError):
                    engine = await self.engines.load(version)
        return engine or await self._promote_newest(name, but_not=routing.challenger)

    async def _promote_newest(self, name: str, but_not: str | None = None) -> Engine:
        """Make the newest version that loads the champion; raises ModelError if none loads."""
        routing = self.routings.get(name)
        for version in reversed(self.versions.get(name, {}).values()):
            if version.version == but_not:
                continue
            try:
                engine = await self.engines.load(version)
            except ModelError:
                continue
            if self.routings.get(name) is not routing:
                return await self.promote(name)
            versions = self.versions.get(name, {})
            current = self.tags.get(name, "").partition(":")[2]
            order = list(versions)
            # While it was loading, another task may have promoted a newer one.
            if current not in versions or order.index(current) < order.index(version.version):
                self._crown(name, engine)
            self.engines.evict(keep=version.tag)
            return engine
        raise ModelError(f"No version of {name} can be loaded.")

    def _crown(self, name: str, engine: Engine) -> None:
        """From now on it answers: all in one turn of the event loop."""
        tag = engine.version.tag
        before = self.tags.get(name)
        if before == tag:
            return
        engine.warm(_ROUTES)
        past = self.engines.peek(before)
        if past is not None:
            past.role = CANDIDATE
        engine.role = CHAMPION
        self.tags[name] = tag
        self._try_out(name)
        self._trials.roles_changed()
        version = engine.version
        about = fields(model=name, version=version.version, before=before)
        logger.info("%s is champion", tag, extra=about)
        if before is not None and name in self.routings:
            self.engines.drop(before)

    def _lacks(self, name: str, tag: str, fault: str) -> None:
        """Say once that a version should answer and cannot."""
        lacking = self._lacking.setdefault(name, set())
        if tag in lacking:
            return
        lacking.add(tag)
        ROLLOUT_MISSING.labels(name, tag.partition(":")[2]).inc()
        about = fields(model=name, version=tag.partition(":")[2])
        logger.warning("%s was decided on, but cannot answer here: %s", tag, fault, extra=about)
