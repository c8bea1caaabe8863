"""Hands a request to a method of the service as it is, where BentoML would parse it."""

from starlette.requests import Request


class Unread:
    """A request that BentoML takes for parsed fields: one, named ``request``."""

    model_fields = ("request",)

    def __init__(self, request: Request) -> None:
        self.request = request


class Raw:
    """Passes the request itself to the method whose fields the class describes.

    BentoML would choose a parser by ``Content-Type`` (a form's, for ``curl -d``) and log a
    traceback for each invalid body; an endpoint reads every body as JSON and answers in a sentence.
    """

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> Unread:  # noqa: ARG003 - BentoML's signature
        return Unread(request)
