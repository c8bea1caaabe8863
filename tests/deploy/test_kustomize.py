"""The overlays by kustomize itself, and by what stands in for it."""

import os
import re
from typing import Any

import pytest

from tests.deploy.kustomize import build as build_here
from tests.deploy.manifests import KUBERNETES, OVERLAYS, build_there, builder


def comparable(part: Any) -> Any:
    """Without the hashes at the end of names, and without an order of what has a name."""
    if isinstance(part, dict):
        return {name: comparable(value) for name, value in part.items()}
    if isinstance(part, list):
        parts = [comparable(one) for one in part]
        named = all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in parts)
        return sorted(parts, key=lambda one: str(one["name"])) if named else parts
    if isinstance(part, str):
        return re.sub(r"^(pupila(?:-store)?)-[a-z0-9]{10}$", r"\1", part)
    return part


def by_name(objects: list[Any]) -> dict[tuple[str, str], Any]:
    found = map(comparable, objects)
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_stand_in_builds_what_kustomize_builds(overlay: str) -> None:
    if builder() is None:
        missing = "there is neither kustomize 4.1 nor kubectl 1.22, or a newer one"
        if os.environ.get("REQUIRE_KUSTOMIZE") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    assert by_name(build_here(KUBERNETES / overlay)) == by_name(build_there(overlay))
