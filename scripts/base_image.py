"""Renews the digest of the image that ours is built from: python -m scripts.base_image

Asks the registry what the tag in deploy/image/base points to now, and writes it there, as
``python:3.11-slim@sha256:…``. Only a digest that a registry has answered with is ever written.
"""

import re
import sys
from pathlib import Path
from typing import Final

import httpx

FILE: Final = Path(__file__).resolve().parent.parent / "deploy" / "image" / "base"

REGISTRY: Final = "https://registry-1.docker.io"
TOKENS: Final = "https://auth.docker.io/token"

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
# The list of all platforms' images, not the image of one of them.
_LISTS: Final = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json"
)
_SECONDS: Final = 30


class RenewalError(Exception):
    """The registry was not reached, or gave no digest."""


def newest(image: str, registry: str = REGISTRY, tokens: str = TOKENS) -> str:
    """``image``, such as ``python:3.11-slim``, with the digest that the registry has for its tag.

    Raises RenewalError.
    """
    name, _, tag = image.partition("@")[0].partition(":")
    repository = name if "/" in name else f"library/{name}"
    scope = {"service": "registry.docker.io", "scope": f"repository:{repository}:pull"}
    try:
        with httpx.Client(timeout=_SECONDS, follow_redirects=True) as client:
            token = client.get(tokens, params=scope).raise_for_status().json()["token"]
            answer = client.head(
                f"{registry}/v2/{repository}/manifests/{tag or 'latest'}",
                headers={"Accept": _LISTS, "Authorization": f"Bearer {token}"},
            ).raise_for_status()
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise RenewalError(f"{registry} could not be asked about {image}: {error}.") from error
    digest = answer.headers.get("Docker-Content-Digest", "")
    if _DIGEST.fullmatch(digest) is None:
        raise RenewalError(f"{registry} gave no SHA-256 for {image}.")
    return f"{name}:{tag or 'latest'}@{digest}"


def renew(file: Path = FILE, registry: str = REGISTRY, tokens: str = TOKENS) -> str:
    """Write the newest digest into ``file``; raises RenewalError, and then leaves it as it is."""
    renewed = newest(file.read_text().strip(), registry, tokens)
    file.write_text(f"{renewed}\n")
    return renewed


if __name__ == "__main__":
    try:
        print(f"deploy/image/base is now {renew()}")
    except RenewalError as error:
        sys.exit(f"Nothing was written: {error}")
