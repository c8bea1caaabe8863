"""Models of an MLflow server, over its REST API: without its library, which is 300 MB with pandas.

Source: https://mlflow.org/docs/latest/api_reference/rest-api.html and MLflow's own client for the
routes of artifacts, which that page does not have.
"""

import re
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from errors import SourceError
from models.offline.mlflow_http import MlflowHttp
from models.offline.pickle_machine import escaped

_ARTIFACTS: Final = "/api/2.0/mlflow-artifacts/artifacts/"
_MOST_MODELS: Final = 50

_NUMBER: Final = re.compile(r"\d{1,18}")
_LOGGED: Final = re.compile(r"m-[0-9a-f]{32}")
_RUN: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_PART: Final = re.compile(r"[^\x00-\x1f\x7f/\\]{1,255}")
_STAGES: Final = {stage.lower(): stage for stage in ("Production", "Staging", "Archived", "None")}

_FORMS: Final = "models:/NAME@ALIAS, models:/NAME/VERSION, models:/NAME/latest or runs:/RUN/PATH"


class Located(NamedTuple):
    """A model's folder. ``what``: in words; ``name``: of the registered model, or of the folder;
    ``version``: its number, if it is registered; ``run``: that logged it, if that is known;
    ``where``: its path, for ``download``; ``uri``: as MLflow has it."""

    uri: str
    what: str
    name: str
    version: str
    run: str
    where: str


class MlflowServer:
    """``uri``: as ``MLFLOW_TRACKING_URI`` has it; ``authorization``: the header. Raises
    SourceError."""

    def __init__(self, uri: str, authorization: str | None = None) -> None:
        self._http = MlflowHttp(uri, authorization)
        self.host = self._http.host

    def locate(self, text: str) -> Located:
        """Where the model of a URI is, such as ``models:/digits@champion``."""
        scheme, _, rest = text.partition(":")
        parts = rest.lstrip("/").split("/")
        if not rest.startswith("/") or not all(map(_PART.fullmatch, parts)) or ".." in parts:
            raise SourceError(f"{text!a} names no model of MLflow: write {_FORMS}.")
        if scheme == "runs":
            return self._of_run(text, parts)
        name, at, alias = parts[0].rpartition("@")
        if len(parts) == 1 and at and name and alias:
            query = {"name": name, "alias": alias}
            found = self._version(text, "mlflow/registered-models/alias", query)
        elif len(parts) == 1 and _LOGGED.fullmatch(parts[0]):
            return self._logged(text, parts[0])
        elif len(parts) == len(("name", "version")):
            name, chosen = parts
            if _NUMBER.fullmatch(chosen):
                query = {"name": name, "version": chosen}
                found = self._version(text, "mlflow/model-versions/get", query)
            else:
                found = self._newest(text, name, chosen)
        else:
            raise SourceError(f"{text!a} names no model of MLflow: write {_FORMS}.")
        version, run = str(found.get("version", "")), str(found.get("run_id") or "")
        if found.get("name") != name or not _NUMBER.fullmatch(version):
            raise self._http.lie("which is not the version that was asked for")
        query = {"name": name, "version": version}
        answer = self._json("mlflow/model-versions/get-download-uri", query)
        where = self._path(answer.get("artifact_uri"))
        return Located(text, f"version {version} of {name}", name, version, run[:64], where)

    def text(self, located: Located, name: str) -> str | None:
        """A small file of a model's folder; None if it is not there."""
        content = self._http.get(_artifact(located, name))
        return None if content is None else content.decode("utf-8", "replace")

    def download(self, located: Located, name: str, path: Path) -> None:
        """A file of a model's folder, to ``path``."""
        with path.open("wb") as file:
            found = self._http.download(_artifact(located, name), file.write)
        if not found:
            raise SourceError(f"MLflow at {self.host} does not have {name!a} of {located.what}.")

    def _version(self, text: str, path: str, query: dict[str, str]) -> dict[str, Any]:
        found = self._json(path, query, missing=f"MLflow at {self.host} has no {escaped(text)}")
        version = found.get("model_version")
        if type(version) is not dict:
            raise self._http.lie("without a version")
        return version

    def _newest(self, text: str, name: str, chosen: str) -> dict[str, Any]:
        """The newest version, or the newest of a stage, as older servers have them."""
        if chosen != "latest" and chosen.lower() not in _STAGES:
            raise SourceError(f"{text!a} names no model of MLflow: write {_FORMS}.")
        missing = f"MLflow at {self.host} has no {escaped(text)}"
        query = {"name": name}
        if chosen != "latest":
            query["stages"] = _STAGES[chosen.lower()]
        path = "mlflow/registered-models/get-latest-versions"
        versions = self._json(path, query, missing=missing).get("model_versions") or []
        known = [one for one in versions if type(one) is dict and _is_number(one.get("version"))]
        if not known:
            raise SourceError(f"{missing}.")
        return max(known, key=lambda one: int(one["version"]))

    def _of_run(self, text: str, parts: list[str]) -> Located:
        run, *path = parts
        if not path or not _RUN.fullmatch(run):
            raise SourceError(f"{text!a} names no model of MLflow: write {_FORMS}.")
        missing = f"MLflow at {self.host} has no run {run}"
        answer = self._json("mlflow/runs/get", {"run_id": run}, missing=missing)
        found = answer.get("run")
        if type(found) is not dict or type(info := found.get("info")) is not dict:
            raise self._http.lie("without a run")
        # Since MLflow 3 a model is beside its run, and the run names it.
        outputs = found.get("outputs")
        models = outputs.get("model_outputs") if type(outputs) is dict else None
        for one in (models if type(models) is list else [])[:_MOST_MODELS]:
            number = one.get("model_id") if type(one) is dict else None
            if type(number) is str and _LOGGED.fullmatch(number) and len(path) == 1:
                logged = self._logged(text, number)
                if logged.name == path[0]:
                    return logged
        where = f"{self._path(info.get('artifact_uri'))}/{'/'.join(path)}"
        return Located(text, f"{path[-1]} of run {run}", path[-1], "", run, where)

    def _logged(self, text: str, number: str) -> Located:
        missing = f"MLflow at {self.host} has no {escaped(text)}"
        model = self._json(f"mlflow/logged-models/{number}", {}, missing=missing).get("model")
        info = model.get("info") if type(model) is dict else None
        if type(info) is not dict:
            raise self._http.lie("without a model")
        run, name = str(info.get("source_run_id") or "")[:64], str(info.get("name") or "model")
        where = self._path(info.get("artifact_uri"))
        return Located(text, f"{escaped(name)} of run {escaped(run)}", name, "", run, where)

    def _path(self, uri: Any) -> str:
        """The path of a folder that the server itself hands out."""
        text = str(uri)[:2000]
        try:
            parts = urlsplit(text)
        except ValueError:
            raise self._http.lie("with an address that is none") from None
        marked = parts.scheme in ("http", "https") and parts.path.partition(_ARTIFACTS)[1]
        if parts.scheme != "mlflow-artifacts" and not marked:
            raise SourceError(
                f"MLflow at {self.host} does not hand out files itself; these are at "
                f"{escaped(_without_password(text))}: download them with `mlflow artifacts "
                "download`, and import that folder."
            )
        if parts.netloc.rpartition("@")[2] not in ("", self._http.netloc):
            raise SourceError(
                f"MLflow at {self.host} says that the files are at {escaped(parts.netloc)}, "
                "another server, which gets no credentials: give that one by --tracking-uri."
            )
        # Some servers write the address out.
        path = (parts.path.partition(_ARTIFACTS)[2] if marked else parts.path).strip("/")
        if not all(_PART.fullmatch(part) and part not in (".", "..") for part in path.split("/")):
            raise self._http.lie("with a path that leads out of its folder")
        return path

    def _json(self, path: str, query: dict[str, str], missing: str | None = None) -> dict[str, Any]:
        return self._http.json(f"/api/2.0/{path}?{urlencode(query)}", missing)


def _artifact(located: Located, name: str) -> str:
    return f"{_ARTIFACTS}{quote(f'{located.where}/{name}')}"


def _is_number(value: Any) -> bool:
    return _NUMBER.fullmatch(str(value)) is not None


def _without_password(uri: str) -> str:
    scheme, mark, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}" if mark else uri
