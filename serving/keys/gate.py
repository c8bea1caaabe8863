"""Lets requests in or not, by their headers alone, so that a wrong key costs little.

A server without keys lets everybody do everything but what is for its operators; a server that has,
or ever had, keys asks for one, for every route whose ``scope`` in the table says so.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from prometheus_client import Counter
from starlette.types import Scope as RequestScope

from errors import ForbiddenError, RequestError
from records.key import Scope
from serving.http.oip import asked, is_below
from serving.http.reply import Reply, error_reply
from serving.http.route import Route
from serving.http.routes import METRICS, ROUTES
from serving.keys.caller import CALLER
from serving.keys.credentials import secret_in
from serving.keys.keyring import MISSING, WRONG, Keyring
from serving.keys.loopback import is_local
from serving.metrics import REQUESTS

_FOR_OPERATORS: Final = ForbiddenError(
    "This is for operators, who must ask from the server's own machine while it has no keys; "
    "create one with python -m keys create."
)


_COMMON: Final[Mapping[RequestError, Reply]] = {
    error: error_reply(error) for error in (MISSING, WRONG)
}


# What was found for paths that name a model; clients choose them, so neither many nor long ones.
_KEPT_PATHS: Final = 512
_MAX_KEPT_PATH: Final = 256


class Need(NamedTuple):
    """What a route asks for. ``scope``: of the key, None for any; ``path``: for the metrics;
    ``is_private``: whether only this machine may ask while there are no keys."""

    scope: Scope | None
    path: str
    is_private: bool = False


# A path that the table does not have: if the application has it, a valid key must do.
_UNLISTED: Final = Need(None, "")


class Gate:
    """Called with each request before anything else; ``ring`` may change at any time."""

    def __init__(
        self, ring: Keyring, *, metrics_open: bool = True, routes: Iterable[Route] = ROUTES
    ) -> None:
        self._ring = ring
        self._counters: dict[tuple[str, int], Counter] = {}
        self._needs: dict[tuple[str, str], Need | None] = {}
        self._found = lru_cache(_KEPT_PATHS)(self._need_of)
        for route in routes:
            need = _need(route, metrics_open=metrics_open)
            for path in {route.path, route.path.rstrip("/") or "/"}:
                self._needs[route.method, path] = need
                if route.method == "GET":
                    self._needs["HEAD", path] = need

    def __call__(self, scope: RequestScope) -> Reply | None:
        """None to let the request in, noting its caller in ``scope``; else what to answer."""
        try:
            need = self._needs[scope["method"], scope["path"]]
        except KeyError:
            path = scope["path"]
            find = self._found if len(path) <= _MAX_KEPT_PATH else self._need_of
            need = find(scope["method"], path)
        if need is None:
            return None
        try:
            if self._ring.closed:
                caller = self._ring.find(secret_in(scope["headers"]))
                caller.admit(need.scope)
                scope[CALLER] = caller
            elif need.is_private and not is_local(scope):
                raise _FOR_OPERATORS.with_traceback(None)
        except RequestError as error:
            return self._refusal(error, need.path)
        return None

    def _refusal(self, error: RequestError, path: str) -> Reply:
        """Counted, and made once if it is what everybody gets: guessing must cost us little."""
        counter = self._counters.get((path, error.status))
        if counter is None:
            counter = REQUESTS.labels("", "", path, str(error.status))
            self._counters[path, error.status] = counter
        counter.inc()
        return _COMMON.get(error) or error_reply(error)

    def _need_of(self, method: str, path: str) -> Need | None:
        """That of a path which the table does not have as it is written.

        What is below a route, or names it with slashes too many, needs what the route does: a route
        that takes a name from its path must not be forgotten.
        """
        if method == "OPTIONS":
            # Browsers ask it before they send the key; nothing answers it but what is allowed.
            return None
        if is_below(path):
            found_route = asked(path)
            if found_route is None:
                return _UNLISTED
            return self._needs[found_route.route.method, found_route.route.path]
        parts = [part for part in path.split("/") if part]
        while parts:
            found = self._at("/" + "/".join(parts), method)
            if found:
                # The strictest, for a method that the path does not have.
                return max(found, key=_strictness)
            parts.pop()
        return _UNLISTED if path.strip("/") else None

    def _at(self, path: str, method: str) -> list[Need | None]:
        exact = (method, path)
        if exact in self._needs:
            return [self._needs[exact]]
        return [need for (_, known), need in self._needs.items() if known == path]


def _need(route: Route, *, metrics_open: bool) -> Need | None:
    if route is METRICS and not metrics_open:
        return Need(route.scope or "read", route.path, is_private=True)
    if route is METRICS or route.scope is None:
        return None
    return Need(route.scope, route.path, is_private=route.scope == "operate")


_ORDER: Final[Mapping[Scope | None, int]] = {
    None: 0, "read": 1, "predict": 2, "label": 3, "operate": 4,
}  # fmt: skip


def _strictness(need: Need | None) -> int:
    return -1 if need is None else _ORDER[need.scope]
