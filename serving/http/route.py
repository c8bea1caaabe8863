"""What a route is: a row of the table in ``serving.http.routes``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from records.key import Scope
from serving.http.schema import ErrorResponse


@dataclass(frozen=True)
class Route:
    """One path and its method.

    ``answered_by``: ``front`` for the hot routes, which bypass BentoML's middlewares and also work
    without their trailing slash; ``v2`` for those of the Open Inference Protocol, which do too;
    ``catalog`` for our own pages; ``bentoml`` for what it brings;
    ``console`` for all that is below its path.
    ``takes_images``: the body may also be an image as it is, or a form; ``takes_tensors``: it may
    have tensors after its JSON; ``takes_options``: the query may say what is wanted besides the
    label. ``error``: the type of what is answered if it fails.
    ``request`` and ``response`` are types that pydantic makes a JSON schema of; a response of
    ``str`` is plain text. ``scope``: what a key must allow; None for a route that never needs one.
    ``errors``: what each status means here, beyond those of every route.
    """

    name: str
    path: str
    summary: str
    answered_by: Literal["front", "v2", "catalog", "bentoml", "console"]
    scope: Scope | None
    method: Literal["GET", "POST"] = "GET"
    request: Any = None
    example: Mapping[str, Any] | None = None
    response: Any = str
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
    takes_images: bool = False
    takes_tensors: bool = False
    takes_options: bool = False
    body_optional: bool = False
    for_operators: bool = False
    documented: bool = True
    error: Any = ErrorResponse


class Asked(NamedTuple):
    """What a path with parameters asks. ``model``: with its version or alias, if the path names
    one; empty for a path that names no model, or means the default one."""

    route: Route
    model: str = ""


BODY_ERRORS: Final = {
    400: "The request is not valid",
    408: "The body did not arrive in time",
    413: "The body is too large",
    415: "The body has a Content-Encoding that is not supported",
    503: "The server has no capacity, or cannot answer before the deadline",
}
VERSION_HEADER: Final = {"X-Model-Version": "the version that answered"}

# A handwritten 8 as a PNG of 8x8 pixels.
DIGIT: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAU0lEQVR42gFIALf/AAANieGCBQAAAAAAx9rmwgsA"
    "AgMKtswaIzUKAAAASvO77SgAAAYARf//Dg0OAAEw8Xuc0hAEAAAN/Rop/38AAAMAsffzqxQF8m8WK0GFXiAAAAAA"
    "SUVORK5CYII="
)
