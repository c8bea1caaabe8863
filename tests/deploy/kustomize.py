"""As much of kustomize as our overlays use, for machines that have none.

Names get no hash at their end, and the parts of a list may come in another order. A test compares
it with the real one, where there is one.
"""

from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]


def build(folder: Path) -> list[Object]:
    """The objects of a folder with a ``kustomization.yaml``. Raises ValueError for a word in it
    that is not known here, and what is not there raises as it does elsewhere."""
    given = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    objects: list[Object] = []
    for name in given.pop("resources"):
        path = folder / name
        if path.is_dir():
            objects += build(path)
        else:
            objects += yaml.safe_load_all(path.read_text(encoding="utf-8"))
    components = [folder / name for name in given.pop("components", [])]
    parts = [yaml.safe_load((one / "kustomization.yaml").read_text("utf-8")) for one in components]
    for part, where in zip(parts, components, strict=True):
        for file in part.get("resources", []):
            objects += yaml.safe_load_all((where / file).read_text(encoding="utf-8"))
    for one in given.pop("configMapGenerator", []):
        objects.append(_config_map(folder, one))
    for patch in given.pop("patches", []):
        objects = _patched(objects, folder, patch)
    for part, where in zip(parts, components, strict=True):
        for patch in part.get("patches", []):
            objects = _patched(objects, where, patch)
    namespace = given.pop("namespace")
    for one in objects:
        if one["kind"] not in {"Namespace", "PriorityClass"}:
            one["metadata"]["namespace"] = namespace
    for labels in given.pop("labels", []):
        for one in objects:
            one["metadata"].setdefault("labels", {}).update(labels["pairs"])
    for image in given.pop("images", []):
        _set_image(objects, image)
    if unknown := given.keys() - {"apiVersion", "kind"}:
        raise ValueError(f"{folder}: {unknown}")
    return objects


def _config_map(folder: Path, given: Object) -> Object:
    data: dict[str, str] = {}
    for name in given.get("envs", []):
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        data |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    for name in given.get("files", []):
        data[name] = (folder / name).read_text(encoding="utf-8")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": given["name"]},
        "data": data,
    }


def _patched(objects: list[Object], folder: Path, given: Object) -> list[Object]:
    text = given["patch"] if "patch" in given else (folder / given["path"]).read_text("utf-8")
    patch = yaml.safe_load(text)
    target = given.get("target") or {"kind": patch["kind"], "name": patch["metadata"]["name"]}
    found = [
        one
        for one in objects
        if one["kind"] == target["kind"]
        and one["metadata"]["name"] == target.get("name", one["metadata"]["name"])
    ]
    if not found:
        raise ValueError(f"{folder}: there is nothing to patch for {target}")
    if isinstance(patch, list):
        for one in found:
            for step in patch:
                _replace(one, step)
    elif patch.get("$patch") == "delete":
        return [one for one in objects if one not in found]
    else:
        for one in found:
            _merge(one, patch)
    return objects


def _replace(one: Any, step: Object) -> None:
    *way, last = step["path"].strip("/").split("/")
    for part in way:
        one = one[int(part) if isinstance(one, list) else part]
    if last == "-":
        one.append(step["value"])
        return
    place = int(last) if isinstance(one, list) else last
    if step["op"] == "replace":
        one[place]  # It must be there.
    one[place] = step["value"]


def _merge(old: Object, new: Object) -> None:
    for name, value in new.items():
        there = old.get(name)
        if isinstance(value, dict) and isinstance(there, dict):
            _merge(there, value)
        elif isinstance(value, list) and isinstance(there, list) and "name" in there[0]:
            by_name = {part["name"]: part for part in there}
            for part in value:
                if part["name"] in by_name:
                    _merge(by_name[part["name"]], part)
                else:
                    there.append(part)
        else:
            old[name] = value


def _set_image(part: Any, image: Object) -> None:
    if isinstance(part, list):
        for one in part:
            _set_image(one, image)
    elif isinstance(part, dict):
        if isinstance(part.get("image"), str) and part["image"].partition(":")[0] == image["name"]:
            part["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
        for one in part.values():
            _set_image(one, image)
