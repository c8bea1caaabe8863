"""The Kubernetes objects, as they are written and as a cluster gets them."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from settings import Settings
from tests.deploy.kustomize import build as build_here
from tests.servers import ROOT

Object = dict[str, Any]

KUBERNETES = ROOT / "deploy" / "kubernetes"
BASE = KUBERNETES / "base"
OVERLAYS = ("one-machine", "cloud")

# The first to know labels that go into no selector.
_KUSTOMIZE = (4, 1)


def read(path: Path) -> list[Object]:
    """The objects of a file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


@cache
def build(overlay: str) -> tuple[Object, ...]:
    """What ``kubectl apply -k`` would send, by kustomize or, where there is none, in its manner."""
    if builder() is None:
        return tuple(build_here(KUBERNETES / overlay))
    return tuple(build_there(overlay))


def build_there(overlay: str) -> list[Object]:
    """By kustomize itself, which must be there."""
    command = [*(builder() or ()), str(KUBERNETES / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # It warns of what a later kustomize will not take.
    assert not done.stderr, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@cache
def builder() -> tuple[str, ...] | None:
    """The command that builds a folder, of a kustomize that knows what we use."""
    if shutil.which("kustomize") and _version(_said("kustomize", "version")) >= _KUSTOMIZE:
        return "kustomize", "build"
    if shutil.which("kubectl"):
        said = json.loads(_said("kubectl", "version", "--client", "--output=json"))
        # The oldest do not say it.
        if _version(said.get("kustomizeVersion", "")) >= _KUSTOMIZE:
            return "kubectl", "kustomize"
    return None


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"v(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else ()


def named(objects: tuple[Object, ...], kind: str, name: str = "pupila") -> Object:
    """The one object of a kind with this name."""
    (found,) = (one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name)
    return found


def pods(objects: tuple[Object, ...]) -> dict[str, Object]:
    """The templates of the pods, by the component that they are."""
    templates = [one["spec"]["template"] for one in objects if one["kind"] == "Deployment"] + [
        one["spec"]["jobTemplate"]["spec"]["template"]
        for one in objects
        if one["kind"] == "CronJob"
    ]
    return {one["metadata"]["labels"]["app.kubernetes.io/component"]: one for one in templates}


def containers(pod: Object) -> Iterator[Object]:
    """All of a pod's template, those that run before the others first."""
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def settings_of(objects: tuple[Object, ...], container: Object) -> dict[str, str]:
    """The variables that a container is given with their values; secrets are left out."""
    maps = {one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "ConfigMap"}
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= maps[source["configMapRef"]["name"]]
    return found | {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}


def check_settings(variables: Mapping[str, str]) -> None:
    """Raises unless all that begin like ours are, with values that the server takes."""
    ours = {
        name.removeprefix("PUPILA_").lower(): value
        for name, value in variables.items()
        if name.startswith("PUPILA_")
    }
    assert ours.keys() <= Settings.model_fields.keys()
    Settings(**ours)  # type: ignore[arg-type]
