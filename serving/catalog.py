"""What is served and how to use it: the list of models, the OpenAPI document and its page."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from models.version import Version
from records.routing import Rollout
from serving.http.routes import CONSOLE, DOCUMENT, HOME, MODELS, PAGE
from serving.http.schema import CatalogResponse, ModelListing, RolloutListing, VersionListing
from serving.keys.caller import CALLER, Caller
from serving.routing.registry import Registry

_PAGE = Path(__file__).with_name("index.html")
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


class Catalog:
    """An ASGI application with four routes, mounted into the service next to BentoML's own.

    ``others``: more of them. ``console``: whether there is one, which ``/`` then leads to.
    """

    def __init__(
        self,
        document: Callable[[], dict[str, Any]],
        others: Sequence[Route] = (),
        *,
        console: bool = False,
    ) -> None:
        self._document = functools.cache(document)
        self._registry: Registry | None = None
        self.app = Starlette(
            routes=[
                Route(PAGE.path, self._page),
                Route(HOME.path, self._console if console else self._page),
                Route(MODELS.path, self._models),
                Route(DOCUMENT.path, self._docs),
                *others,
            ]
        )

    def bind(self, registry: Registry) -> None:
        """Set the registry to list, once this worker has one."""
        self._registry = registry

    async def _models(self, request: Request) -> Response:
        """Those that the key may ask."""
        caller: Caller | None = request.scope.get(CALLER)
        listings = self._registry.catalog() if self._registry else []
        answer = CatalogResponse(
            models=[
                ModelListing(
                    name=model.name,
                    champion=model.champion,
                    challenger=model.challenger,
                    rollout=_rollout(model.rollout),
                    versions=[_listing(version, loaded) for version, loaded in model.versions],
                )
                for model in listings
                if caller is None or caller.key.allows(model.name)
            ]
        )
        return Response(answer.model_dump_json(), media_type="application/json")

    async def _page(self, _: Request) -> Response:
        # BentoML's own page reports each view to an advertising company.
        return FileResponse(_PAGE, headers=_PAGE_HEADERS)

    async def _console(self, _: Request) -> Response:
        # Found again each time: another day there may be no console here.
        return RedirectResponse(CONSOLE.path, headers={"Cache-Control": "no-store"})

    async def _docs(self, _: Request) -> Response:
        return Response(orjson.dumps(self._document()), media_type="application/json")


def _rollout(rollout: Rollout | None) -> RolloutListing | None:
    if rollout is None:
        return None
    return RolloutListing(
        id=rollout.id,
        challenger=f"{rollout.model}:{rollout.challenger}",
        stage=rollout.stage,
        share=rollout.share,
        shadow=rollout.shadow,
        paused=rollout.paused,
        started_at=rollout.started_at,
        stage_at=rollout.stage_at,
    )


def _listing(version: Version, loaded: bool) -> VersionListing:
    manifest = version.manifest
    return VersionListing(
        version=version.version,
        created_at=manifest.created_at,
        loaded=loaded,
        labels=list(manifest.labels),
        probabilities=manifest.gives_probabilities,
        image_spec=manifest.image_spec.name,
        recipe=manifest.recipe,
        accuracy=manifest.metrics.accuracy.value if manifest.metrics else None,
        abstain=manifest.abstain,
    )
