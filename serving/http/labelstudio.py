"""The routes of Label Studio's backend: which path asks what.

Source: https://labelstud.io/guide/ml_create, and what Label Studio's api_connector.py sends.
"""

from dataclasses import replace
from typing import Any, Final

from serving.http.route import BODY_ERRORS, Asked, Route

ROOT: Final = "/labelstudio"

HEALTH: Final = Route(
    "labelstudio_health",
    ROOT,
    "Whether Label Studio may ask",
    "v2",
    "label",
    response=dict[str, Any],
    documented=False,
)
_HEALTH: Final = replace(HEALTH, name="labelstudio_health_too", path=f"{ROOT}/health")
VERSIONS: Final = replace(
    HEALTH, name="labelstudio_versions", path=f"{ROOT}/versions", summary="Versions of a model"
)
SETUP: Final = replace(
    HEALTH,
    name="labelstudio_setup",
    path=f"{ROOT}/setup",
    summary="Check a project's labeling configuration",
    method="POST",
    request=dict[str, Any],
    errors=BODY_ERRORS,
)
PRELABEL: Final = replace(
    SETUP, name="labelstudio_predict", path=f"{ROOT}/predict", summary="Label tasks"
)
WEBHOOK: Final = replace(
    SETUP, name="labelstudio_webhook", path=f"{ROOT}/webhook", summary="Take annotations as labels"
)

LABELSTUDIO_ROUTES: Final = (HEALTH, _HEALTH, VERSIONS, SETUP, PRELABEL, WEBHOOK)

# A model and a call.
_PARTS: Final = 2

_CALLS: Final = {
    "health": HEALTH,
    "versions": VERSIONS,
    "setup": SETUP,
    "predict": PRELABEL,
    "webhook": WEBHOOK,
}


def is_labelstudio(path: str) -> bool:
    return path.startswith(ROOT) and (len(path) == len(ROOT) or path[len(ROOT)] == "/")


def asked(path: str) -> Asked | None:
    """What a path below ``/labelstudio`` asks: ``/labelstudio/<call>`` of the default model,
    ``/labelstudio/<model>/<call>`` of another."""
    parts = path.removeprefix(ROOT).strip("/").split("/")
    if parts == [""]:
        return Asked(HEALTH, "")
    model, call = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[-1])
    route = _CALLS.get(call)
    if route is None and len(parts) == 1:
        # The backend's own address, which Label Studio shows as a link.
        return Asked(HEALTH, parts[0])
    return (
        Asked(route, model) if route is not None and len(parts) <= len(("model", "call")) else None
    )
