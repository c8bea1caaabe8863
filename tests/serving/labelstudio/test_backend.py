"""What Label Studio asks of its backend, in process and over HTTP."""

import base64
import json
import sqlite3
import uuid
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.waiting import until

JPEG = Path("tests/data/digit8.jpg").read_bytes()
URL = "data:image/jpeg;base64," + base64.b64encode(JPEG).decode()
CONFIG = (
    '<View><Image name="img" value="$image"/><Choices name="digit" toName="img">'
    + "".join(f'<Choice value="{digit}"/>' for digit in range(10))
    + "</Choices></View>"
)


def task(number: int, image: str = URL, **data: Any) -> dict[str, Any]:
    return {"id": number, "data": {"image": image, **data}}


def prelabel(client: httpx2.Client, *tasks: Any, **changes: Any) -> httpx2.Response:
    body = {"tasks": list(tasks), "project": "3.17", "label_config": CONFIG, "params": {}}
    return client.post("/labelstudio/predict", json=body | changes)


def test_health_versions_and_setup(client: httpx2.Client) -> None:
    for path in ("/labelstudio", "/labelstudio/", "/labelstudio/health", "/labelstudio/clf/health"):
        assert client.get(path).json()["status"] == "UP"
    (tag,) = {client.get("/labelstudio/versions").json()["versions"][-1]}
    setup = {"project": "3.17", "schema": CONFIG, "hostname": "http://ls", "access_token": "x"}
    answer = client.post("/labelstudio/setup", json=setup)
    assert answer.json() == {"model_version": tag}


@pytest.mark.parametrize("path", ["/labelstudio/nothing/health", "/labelstudio/nothing/setup"])
def test_an_unknown_model(client: httpx2.Client, path: str) -> None:
    answer = client.get(path) if path.endswith("health") else client.post(path, json={})
    assert (answer.status_code, answer.json()) == (400, {"detail": "Invalid model name"})


def test_choices_of_another_project(client: httpx2.Client) -> None:
    config = CONFIG.replace('value="', 'value="x').replace('"x$image', '"$image')
    answer = client.post("/labelstudio/setup", json={"schema": config})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("None of the project's choices is a label of clf:")


def test_as_many_results_as_tasks(client: httpx2.Client) -> None:
    broken = "data:image/png;base64,AAAA"
    elsewhere = "http://169.254.169.254/latest/meta-data"
    answer = prelabel(client, task(1), task(2, broken), task(3, elsewhere), {"id": 4}, task(5))
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    (choice,) = results[0]["result"]
    score = choice.pop("score")
    assert choice == {
        "from_name": "digit",
        "to_name": "img",
        "type": "choices",
        "value": {"choices": ["8"]},
    }
    assert results[0]["score"] == score > 0.5
    assert [len(result["result"]) for result in results] == [1, 0, 0, 0, 1]
    assert [result["score"] for result in results[1:4]] == [0.0] * 3


def test_all_tasks_of_a_project_in_one_request(in_process: httpx2.Client) -> None:
    """As Label Studio sends them, which asks again only for those without this version's answer."""
    tasks = [task(number) for number in range(300)]
    tasks[280] = task(280, "data:image/png;base64,AAAA")
    body = prelabel(in_process, *tasks).json()
    found = body["results"]
    assert [len(one["result"]) for one in found] == [1] * 280 + [0] + [1] * 19
    versions = {one["model_version"] for one in found}
    assert versions == {body["model_version"], f"{body['model_version']} without an answer"}
    assert found[280]["model_version"] != body["model_version"]


@pytest.mark.parametrize("tasks", [[], {}, [{}] * 10_001])
def test_no_tasks_or_too_many(client: httpx2.Client, tasks: Any) -> None:
    assert prelabel(client, tasks=tasks).status_code == 400
    assert prelabel(client, task(1), label_config="<View/>").status_code == 400


def annotation(number: int, choice: str | None = None, **fields: Any) -> dict[str, Any]:
    value = {"from_name": "digit", "to_name": "img", "type": "choices"}
    result = [] if choice is None else [value | {"value": {"choices": [choice]}}]
    return {"id": number, "result": result, "was_cancelled": False, **fields}


def tell(client: httpx2.Client, action: str, **fields: Any) -> int:
    project = {"id": 3, "label_config": CONFIG}
    body = {"action": action, "project": project, **fields}
    answer = client.post("/labelstudio/webhook", json=body)
    assert "detail" not in answer.json(), answer.text
    return answer.status_code


def kept(request_id: str) -> list[tuple[str, str, str]]:
    """Label, source and remark of the labels of a request, oldest first."""
    from service import SETTINGS

    with closing(sqlite3.connect(SETTINGS.records_file)) as connection:
        return connection.execute(
            "select label, source, remark from labels where request_id = ? order by id",
            (request_id,),
        ).fetchall()


@pytest.mark.parametrize("predicted", [True, False])
def test_annotations_become_labels(in_process: httpx2.Client, predicted: bool) -> None:
    """Changed and deleted with them, whether the server has seen the image before or not."""
    number = uuid.uuid4().int % 10**9
    request_id = uuid.uuid4().hex
    one = task(number, request_id=request_id)
    if predicted:
        assert prelabel(in_process, one).json()["results"][0]["result"]
    remark = f"project 3, annotation {number}"
    created = annotation(number, "3")
    assert tell(in_process, "ANNOTATION_CREATED", task=one, annotation=created) == 201
    first = ("3", "labelstudio", remark)
    until(lambda: kept(request_id) == [first], "the label")
    changed = annotation(number, "8")
    assert tell(in_process, "ANNOTATION_UPDATED", task=one, annotation=changed) == 201
    until(lambda: kept(request_id) == [first, ("8", "labelstudio", remark)], "the changed label")
    other = annotation(number + 1, "5")
    assert tell(in_process, "ANNOTATION_CREATED", task=one, annotation=other) == 201
    until(lambda: len(kept(request_id)) == 3, "another annotation")
    assert tell(in_process, "ANNOTATIONS_DELETED", annotations=[{"id": number}]) == 201
    until(lambda: [label for label, _, _ in kept(request_id)] == ["5"], "the deletion")
    skipped = annotation(number + 1, "5", was_cancelled=True)
    assert tell(in_process, "ANNOTATION_UPDATED", task=one, annotation=skipped) == 201
    until(lambda: kept(request_id) == [], "the skipped one")


def test_what_is_said_of_an_annotation_is_written_in_order(in_process: httpx2.Client) -> None:
    """However long the database was away: a creation that waited must not undo a deletion."""
    from service import SETTINGS

    numbers = [uuid.uuid4().int % 10**9 * 2 for _ in range(5)]
    ids = {number: uuid.uuid4().hex for number in numbers}
    assert prelabel(in_process, *(task(number, request_id=ids[number]) for number in numbers))
    with closing(sqlite3.connect(SETTINGS.records_file, timeout=60)) as other:
        other.execute("begin immediate")
        for number in numbers:
            one = task(number, request_id=ids[number])
            created = annotation(number, "3")
            assert tell(in_process, "ANNOTATION_CREATED", task=one, annotation=created) == 201
            assert tell(in_process, "ANNOTATIONS_DELETED", annotations=[{"id": number}]) == 201
            kept_one = annotation(number + 1, "5")
            assert tell(in_process, "ANNOTATION_CREATED", task=one, annotation=kept_one) == 201
        other.rollback()
    for request_id in ids.values():
        until(partial(is_labelled, request_id, "5"), "the deletion")


def is_labelled(request_id: str, label: str) -> bool:
    """By that and nothing else."""
    return [found for found, _, _ in kept(request_id)] == [label]


def test_a_task_without_an_id_of_ours(in_process: httpx2.Client) -> None:
    number = uuid.uuid4().int % 10**9
    created = annotation(number, "8")
    assert tell(in_process, "ANNOTATION_CREATED", task=task(number), annotation=created) == 201
    until(lambda: len(kept(f"labelstudio-3-{number}")) == 1, "the label")


def test_other_webhooks_are_ignored(client: httpx2.Client) -> None:
    assert tell(client, "PROJECT_UPDATED") == 200
    assert tell(client, "ANNOTATIONS_CREATED", task=task(1), annotation=[]) == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{"])
def test_what_is_no_webhook(client: httpx2.Client, body: bytes) -> None:
    answer = client.post("/labelstudio/webhook", content=body)
    assert (answer.status_code, list(answer.json())) == (400, ["detail"])
    incomplete = json.dumps({"action": "ANNOTATION_CREATED", "task": 5}).encode()
    assert client.post("/labelstudio/webhook", content=incomplete).status_code == 400


def test_paths_and_methods(client: httpx2.Client) -> None:
    assert client.get("/labelstudio/predict").status_code == 405
    assert client.post("/labelstudio/clf/x/predict").status_code == 404
    assert client.get("/labelstudiox").status_code == 404
