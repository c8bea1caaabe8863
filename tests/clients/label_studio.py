"""A real Label Studio in an environment of its own, and what people do in it."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.clients.environments import interpreter
from tests.servers import free_port
from tests.waiting import until

CONFIG: Final = (
    '<View><Image name="image" value="$image"/><Choices name="label" toName="image">'
    + "".join(f'<Choice value="{digit}"/>' for digit in range(10))
    + "</Choices></View>"
)
_WHO: Final = {"email": "someone@example.com", "password": "a password"}
# The database's tables are made at the first start.
_START_SECONDS: Final = 600
_TOKEN_SECONDS: Final = 60


class LabelStudio:
    """``token``: a user's personal access token, as its page "Account & Settings" shows it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx2.Client(base_url=url, timeout=600, follow_redirects=True)
        self.token = self._sign_in()
        self._since = 0.0

    def close(self) -> None:
        self._client.close()

    def _sign_in(self) -> str:
        """As a browser does; tokens of the older kind are switched off in a new Label Studio."""
        self._client.get("/user/login/").raise_for_status()
        form = {**_WHO, "csrfmiddlewaretoken": self._client.cookies["csrftoken"]}
        headers = {"Referer": self.url}
        self._client.post("/user/login/", data=form, headers=headers).raise_for_status()
        headers["X-CSRFToken"] = self._client.cookies["csrftoken"]
        token = str(self._client.post("/api/token/", headers=headers).json()["token"])
        self._client.cookies.clear()
        return token

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """What it answers, as JSON; None if nothing."""
        if time.monotonic() > self._since + _TOKEN_SECONDS:
            answer = self._client.post("/api/token/refresh/", json={"refresh": self.token})
            self._client.headers["Authorization"] = f"Bearer {answer.json()['access']}"
            self._since = time.monotonic()
        answer = self._client.request(method, path, **body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def project(self, backend: str, key: str) -> int:
        """One that is connected to a backend that wants a key: its model and its webhook."""
        fields = {"title": "digits", "label_config": CONFIG}
        number = int(self.ask("POST", "/api/projects/", json=fields)["id"])
        model = {"project": number, "title": "pupila", "url": backend, "auth_method": "BASIC_AUTH"}
        shown = {"basic_auth_user": "any", "basic_auth_pass": key}
        self.ask("POST", "/api/ml/", json=model | shown)
        actions = ["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"]
        hook = {
            "project": number,
            "url": f"{backend.rstrip('/')}/webhook",
            "send_payload": True,
            "send_for_all_actions": False,
            "actions": actions,
            "headers": {"X-API-Key": key},
        }
        self.ask("POST", "/api/webhooks/", json=hook)
        return number

    def upload(self, project: int, files: Mapping[str, bytes]) -> None:
        """Files as tasks: Label Studio keeps them itself."""
        sent = {name: (name, content, "image/png") for name, content in files.items()}
        self.ask("POST", f"/api/projects/{project}/import", files=sent)

    def tasks(self, project: int) -> list[dict[str, Any]]:
        """All of a project's, with their predictions and annotations."""
        query = {"project": project, "fields": "all", "page_size": 500}
        found: list[dict[str, Any]] = self.ask("GET", "/api/tasks/", params=query)["tasks"]
        return sorted(found, key=lambda task: int(task["id"]))

    def prelabel(self, project: int) -> None:
        """What "Retrieve Predictions" does for all tasks."""
        query = {"id": "retrieve_tasks_predictions", "project": project}
        chosen = {"selectedItems": {"all": True, "excluded": []}, "project": project}
        self.ask("POST", "/api/dm/actions", params=query, json=chosen)

    def annotate(self, task: int, choice: str, *, skipped: bool = False) -> int:
        """The annotation's number."""
        body = {"result": [_chosen(choice)], "was_cancelled": skipped, "lead_time": 1.0}
        return int(self.ask("POST", f"/api/tasks/{task}/annotations/", json=body)["id"])

    def change(self, annotation: int, choice: str) -> None:
        body = {"result": [_chosen(choice)]}
        self.ask("PATCH", f"/api/annotations/{annotation}/", json=body)

    def delete(self, annotation: int) -> None:
        self.ask("DELETE", f"/api/annotations/{annotation}/")

    def delete_task(self, task: int) -> None:
        self.ask("DELETE", f"/api/tasks/{task}/")

    def export(self, project: int) -> list[dict[str, Any]]:
        """As its page exports JSON, tasks without annotations included."""
        query = {"exportType": "JSON", "download_all_tasks": "true"}
        found: list[dict[str, Any]] = self.ask(
            "GET", f"/api/projects/{project}/export", params=query
        )
        return found


def _chosen(choice: str) -> dict[str, Any]:
    value = {"choices": [choice]}
    return {"from_name": "label", "to_name": "image", "type": "choices", "value": value}


@contextlib.contextmanager
def label_studio(folder: Path) -> Iterator[LabelStudio]:
    """A running one on a database of its own, that may ask a server on its own machine."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(interpreter("label_studio").with_name("label-studio")), "start", "--no-browser"]
    command += ["--port", str(port), "--host", url, "--data-dir", str(folder)]
    command += ["--username", _WHO["email"], "--password", _WHO["password"]]
    variables = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text()[-3000:]
            with contextlib.suppress(httpx2.TransportError):
                return httpx2.get(f"{url}/health", timeout=10).status_code == 200
            return False

        until(answers, lambda: log.read_text()[-3000:], _START_SECONDS)
        with contextlib.closing(LabelStudio(url)) as studio:
            yield studio
    finally:
        process.terminate()
        process.wait()
