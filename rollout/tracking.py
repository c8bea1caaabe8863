"""Sends a verdict to an MLflow server as a run, over its REST API: no client is needed for that.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from errors import RolloutError
from rollout.page import render
from rollout.verdict import GateVerdict

_SECONDS: Final = 10.0
_PROXY: Final = "mlflow-artifacts:"
_MOST_METRICS: Final = 1000
_MOST_TEXT: Final = 5000
_REFUSED: Final = re.compile(r"[^\w\-./ ]")


def track(uri: str, verdict: GateVerdict) -> str:
    """A run in the experiment that has the model's name; returns the run's id.

    Its metrics are the figures of both versions and their differences; where the server takes
    files, the page and the JSON are beside them. Raises RolloutError, which names the host only.
    """
    host = _host(uri)
    try:
        with httpx.Client(base_url=f"{uri.rstrip('/')}/api/2.0/", timeout=_SECONDS) as client:
            return _track(client, verdict)
    except httpx.HTTPStatusError as error:
        raise RolloutError(
            f"MLflow at {host} answered {error.response.status_code} to "
            f"{error.request.url.path}, so the verdict is not there."
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
    experiment = _experiment(client, verdict.model)
    began = _milliseconds(verdict.at)
    made = _post(
        client,
        "mlflow/runs/create",
        experiment_id=experiment,
        run_name=verdict.challenger,
        start_time=began,
    )
    info = made["run"]["info"]
    run = str(info["run_id"])
    metrics = [
        {"key": key, "value": value, "timestamp": began, "step": 0}
        for key, value in _metrics(verdict)
    ]
    params = {"champion": verdict.champion, "challenger": verdict.challenger}
    params |= {name: str(value) for name, value in verdict.rule}
    tags = {"outcome": verdict.outcome, "because": verdict.because[:_MOST_TEXT]}
    for start in range(0, len(metrics), _MOST_METRICS):
        part = metrics[start : start + _MOST_METRICS]
        _post(client, "mlflow/runs/log-batch", run_id=run, metrics=part)
    _post(client, "mlflow/runs/log-batch", run_id=run, params=_pairs(params), tags=_pairs(tags))
    _send_files(client, str(info.get("artifact_uri", "")), verdict)
    _post(client, "mlflow/runs/update", run_id=run, status="FINISHED", end_time=began)
    return run


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


def _pairs(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
