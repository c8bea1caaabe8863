"""Sends trainings and verdicts to an MLflow server as runs, over its REST API: without a client.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from errors import RolloutError
from models.version import Version
from rollout.page import render
from rollout.verdict import GateVerdict

_SECONDS: Final = 10.0
_PROXY: Final = "mlflow-artifacts:"
_MOST_METRICS: Final = 1000
_MOST_TEXT: Final = 5000
_REFUSED: Final = re.compile(r"[^\w\-./ ]")


def track(uri: str, verdict: GateVerdict, authorization: str | None = None) -> str:
    """A run in the experiment that has the model's name; returns the run's id.

    Its metrics are the figures of both versions and their differences; where the server takes
    files, the page and the JSON are beside them. ``authorization``: the header that says who asks.
    Raises RolloutError, which names the host only.
    """
    with _client(uri, authorization) as client:
        return _track(client, verdict)


def track_training(
    uri: str, version: Version, because: str, authorization: str | None = None
) -> str:
    """A run of a retraining, in the same experiment: recipe, parameters, data and figures on its
    own holdout. Raises RolloutError as ``track`` does."""
    manifest = version.manifest
    data = manifest.data
    began = _milliseconds(manifest.created_at)
    params: dict[str, Any] = {
        "version": version.tag,
        "parent": manifest.parent,
        "recipe": manifest.recipe,
    }
    params |= {f"parameter/{name}": value for name, value in manifest.parameters.items()}
    if data is not None:
        params |= {"data": data.name, "data/sha256": data.sha256, "data/seed": data.seed}
    figures: dict[str, float | None] = {}
    if data is not None:
        figures = {"images": data.images, "holdout": data.holdout}
    if manifest.metrics is not None:
        found = manifest.metrics
        figures |= {
            "holdout/accuracy": found.accuracy.value,
            "holdout/log_loss": found.log_loss,
            "holdout/calibration_error": found.calibration_error,
        }
    metrics = [(key, float(value)) for key, value in figures.items() if value is not None]
    known = {key: str(value) for key, value in params.items() if value is not None}
    tags = {"because": because[:_MOST_TEXT]}
    with _client(uri, authorization) as client:
        made = _begin(client, version.name, f"training {version.version}", began)
        run = str(made["run_id"])
        _log(client, run, began, metrics, known, tags)
        _post(client, "mlflow/runs/update", run_id=run, status="FINISHED", end_time=began)
        return run


@contextmanager
def _client(uri: str, authorization: str | None) -> Iterator[httpx.Client]:
    host = _host(uri)
    headers = {"Authorization": authorization} if authorization else {}
    base = f"{uri.rstrip('/')}/api/2.0/"
    try:
        with httpx.Client(base_url=base, timeout=_SECONDS, headers=headers) as client:
            yield client
    except httpx.HTTPStatusError as error:
        raise RolloutError(
            f"MLflow at {host} answered {error.response.status_code} to "
            f"{error.request.url.path}, so it has no run of this."
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError, KeyError) as error:
        cause = type(error).__name__
        raise RolloutError(f"MLflow at {host} cannot be used ({cause}).") from None


def _host(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname
    except ValueError:
        pass
    raise RolloutError("MLFLOW_TRACKING_URI must begin with https:// or http:// and a host name.")


def _track(client: httpx.Client, verdict: GateVerdict) -> str:
    began = _milliseconds(verdict.at)
    info = _begin(client, verdict.model, verdict.challenger, began)
    run = str(info["run_id"])
    params = {"champion": verdict.champion, "challenger": verdict.challenger}
    params |= {name: str(value) for name, value in verdict.rule}
    tags = {"outcome": verdict.outcome, "because": verdict.because[:_MOST_TEXT]}
    _log(client, run, began, list(_metrics(verdict)), params, tags)
    _send_files(client, str(info.get("artifact_uri", "")), verdict)
    _post(client, "mlflow/runs/update", run_id=run, status="FINISHED", end_time=began)
    return run


def _begin(client: httpx.Client, model: str, name: str, began: int) -> dict[str, Any]:
    """What MLflow says of a new run, such as its id."""
    experiment = _experiment(client, model)
    run = {"experiment_id": experiment, "run_name": name, "start_time": began}
    info: dict[str, Any] = _post(client, "mlflow/runs/create", **run)["run"]["info"]
    return info


def _log(
    client: httpx.Client,
    run: str,
    at: int,
    metrics: Sequence[tuple[str, float]],
    params: Mapping[str, str],
    tags: Mapping[str, str],
) -> None:
    rows = [{"key": key, "value": value, "timestamp": at, "step": 0} for key, value in metrics]
    for start in range(0, len(rows), _MOST_METRICS):
        part = rows[start : start + _MOST_METRICS]
        _post(client, "mlflow/runs/log-batch", run_id=run, metrics=part)
    _post(client, "mlflow/runs/log-batch", run_id=run, params=_pairs(params), tags=_pairs(tags))


def _experiment(client: httpx.Client, name: str) -> str:
    """Its id; it is made if there is none."""
    found = client.get("mlflow/experiments/get-by-name", params={"experiment_name": name})
    if found.status_code == httpx.codes.NOT_FOUND:
        return str(_post(client, "mlflow/experiments/create", name=name)["experiment_id"])
    found.raise_for_status()
    return str(found.json()["experiment"]["experiment_id"])


def _post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _send_files(client: httpx.Client, artifact_uri: str, verdict: GateVerdict) -> None:
    """Only to a server that takes them: others keep files where only its clients can write."""
    if not artifact_uri.startswith(_PROXY):
        return
    folder = quote(urlsplit(artifact_uri).path.strip("/"))
    for name, content in (
        ("verdict.html", render(verdict)),
        ("verdict.json", verdict.model_dump_json(indent=2)),
    ):
        path = f"mlflow-artifacts/artifacts/{folder}/{name}"
        client.put(path, content=content.encode()).raise_for_status()


def _metrics(verdict: GateVerdict) -> Iterator[tuple[str, float]]:
    for one in verdict.holdouts:
        place = "production" if one.name == "production" else "holdout"
        yield f"{place}/images", one.images
        groups = [("", one.measures)]
        groups += [(f"class {row.label}/", row.measures) for row in one.classes]
        for group, measures in groups:
            for measure in measures:
                # MLflow refuses some characters.
                key = _REFUSED.sub("_", f"{place}/{group}{measure.name}").replace(" ", "_")
                for side in ("champion", "challenger", "difference", "low", "high"):
                    value = getattr(measure, side)
                    if value is not None:
                        yield f"{key}/{side}"[-250:], float(value)
    for side, cost in verdict.costs.items():
        yield f"cost/latency_ms/{side}", cost.latency_ms
        yield f"cost/bytes/{side}", float(cost.size)
        if cost.memory is not None:
            yield f"cost/memory/{side}", float(cost.memory)


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
