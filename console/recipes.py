"""How to ask the same of the server from a terminal and from Python, ready to be copied."""

import base64
import shlex
from typing import Final, NamedTuple

from console.door import header
from console.visit import Visit

# An image of this many bytes is written into the command itself.
_INLINE_BYTES: Final = 1500
_MOST_NAME: Final = 100


class Recipe(NamedTuple):
    title: str
    text: str


def recipes(visit: Visit, model: str, data: bytes, name: str) -> list[Recipe]:
    """For the very image: within the text if it is small, else by the name of its file."""
    address = _address(visit)
    name = name.replace("\\", "/").rpartition("/")[2][:_MOST_NAME] or "image"
    name = "".join(c if c.isprintable() else "_" for c in name)
    small = len(data) <= _INLINE_BYTES
    return [
        Recipe("curl", _curl(visit, address, model, data if small else None, name)),
        Recipe("Python", _python(visit, address, model, data if small else None, name)),
    ]


def _address(visit: Visit) -> str:
    tls = visit.scope.get("scheme") == "https"
    tls = tls or header(visit.scope, b"x-forwarded-proto") == "https"
    host = header(visit.scope, b"host") or "localhost:8000"
    return f"{'https' if tls else 'http'}://{host}"


def _curl(visit: Visit, address: str, model: str, data: bytes | None, name: str) -> str:
    url = shlex.quote(f"{address}/predict/{model}")
    key = ' \\\n  -H "Authorization: Bearer $PUPILA_KEY"' if visit.server.closed else ""
    if data is None:
        file = name if name.startswith("/") else f"./{name}"
        return f"curl -s {url}{key} \\\n  --data-binary {shlex.quote('@' + file)}"
    text = base64.b64encode(data).decode()
    return f"base64 -d <<<'{text}' |\n  curl -s {url}{key} --data-binary @-"


def _python(visit: Visit, address: str, model: str, data: bytes | None, name: str) -> str:
    lines = ["import base64", "import json", "import urllib.request", ""]
    if visit.server.closed:
        lines.insert(2, "import os")
    if data is None:
        lines += [
            f"with open({name!r}, 'rb') as file:",
            "    image = base64.b64encode(file.read()).decode()",
        ]
    else:
        lines += [f"image = {base64.b64encode(data).decode()!r}"]
    headers = "{'Content-Type': 'application/json'"
    if visit.server.closed:
        headers += ", 'Authorization': 'Bearer ' + os.environ['PUPILA_KEY']"
    lines += [
        f"body = {{'request_id': '1', 'model': {model!r}, 'image': image}}",
        "request = urllib.request.Request(",
        f"    {address + '/predict/'!r}, json.dumps(body).encode(),",
        f"    {headers}}})",
        "print(urllib.request.urlopen(request).read().decode())",
    ]
    return "\n".join(lines)
