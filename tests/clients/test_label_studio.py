"""A round trip with a real Label Studio: tasks labelled before people do, annotations made, changed
and deleted, and the labels of the records compared with what Label Studio exports.

``make clients-test`` installs it. AWAY_SECONDS: how long the server is away meanwhile.
"""

import base64
import json
import os
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.clients.label_studio import LabelStudio, label_studio
from tests.conftest import KEPT
from tests.drawing import png
from tests.forking import command
from tests.servers import Server, environment, free_port, serve
from tests.waiting import until

pytestmark = pytest.mark.skipif(
    "CLIENTS" not in os.environ, reason="make clients-test installs Label Studio"
)

TASKS: Final = 50
UPLOADED: Final = 20
MANY: Final = 400
AWAY_SECONDS: Final = float(os.environ.get("AWAY_SECONDS", "60"))


def images() -> list[bytes]:
    pixels = np.rint(load_digits().images[1000 : 1000 + TASKS] / 16 * 255).astype(np.uint8)
    return [png(one) for one in pixels]


def exported(studio: LabelStudio, project: int) -> dict[str, str]:
    """The label of each task that has one, by the request that it is here: of its newest annotation
    that is not skipped. Written as an importer of Label Studio's format would, without our code."""
    found: dict[str, str] = {}
    for task in studio.export(project):
        made = [one for one in task["annotations"] if not one["was_cancelled"]]
        if made:
            newest = max(made, key=lambda one: (one["updated_at"], one["id"]))
            (result,) = newest["result"]
            found[f"labelstudio-{project}-{task['id']}"] = result["value"]["choices"][0]
    return found


def kept(records: Path) -> dict[str, str]:
    """The newest label of each request."""
    with closing(sqlite3.connect(records)) as connection:
        rows = connection.execute(
            "select request_id, label from labels where source = 'labelstudio' order by id"
        ).fetchall()
    return dict(rows)


class People:
    """Who annotate: each choice is the one after that which was predicted, modulo 10."""

    def __init__(self, studio: LabelStudio, tasks: list[dict[str, Any]]) -> None:
        self.studio = studio
        self.tasks = tasks
        self.made: list[int] = []

    def annotate(self, numbers: range) -> None:
        for number in numbers:
            (predicted,) = self.tasks[number]["predictions"][0]["result"]
            choice = int(predicted["value"]["choices"][0])
            self.made.append(self.studio.annotate(self.tasks[number]["id"], str((choice + 1) % 10)))

    def change(self, annotations: list[int]) -> None:
        for position, annotation in enumerate(annotations):
            self.studio.change(annotation, str(position))

    def delete(self, annotations: list[int]) -> None:
        for annotation in annotations:
            self.studio.delete(annotation)


def test_a_round_trip(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "label-studio"
    folder.mkdir()
    pupila = tmp_path / "pupila"
    port = free_port()
    said: list[str] = []
    key = created_key(home, pupila)
    with label_studio(folder) as studio:
        settings: dict[str, Any] = {
            "home": pupila,
            "record_per_minute": KEPT,
            "labelstudio_url": studio.url,
            "labelstudio_token": studio.token,
        }
        with serve(home, port=port, **settings) as server:
            project, people = begun(studio, server, key, said)
            people.annotate(range(20))
            people.change(people.made[:5])
            people.delete(people.made[5:7])
            wanted = exported(studio, project)
            assert len(wanted) == 18
            records = pupila / "records.db"
            until(lambda: kept(records) == wanted, lambda: differing(records, wanted))
            said.append(
                f"by webhooks: {len(wanted)} labels equal the export (20 annotated, 5 changed, "
                "2 deleted)"
            )
        missed(people)
        left = time.monotonic() + AWAY_SECONDS
        wanted = exported(studio, project)
        assert kept(records) != wanted
        before = len(kept(records))
        until(lambda: time.monotonic() >= left, "the end of the minute", 2 * AWAY_SECONDS + 60)
        with serve(home, port=port, **settings) as server:
            path = tmp_path / "export.json"
            path.write_text(json.dumps(studio.export(project)))
            printed = run_import(path, home, pupila)
            assert kept(records) == wanted, differing(records, wanted)
            said.append(
                f"away for {AWAY_SECONDS:.0f} s: {before} labels before, {len(wanted)} in the "
                f"export; imported: {printed}"
            )
            assert "0 labels added" in run_import(path, home, pupila)
            assert kept(records) == wanted
            people.annotate(range(40, 42))
            wanted = exported(studio, project)
            until(lambda: kept(records) == wanted, lambda: differing(records, wanted))
            said.append(f"back again: {len(wanted)} labels equal the export")
            many(studio, server, key, said)
    with capsys.disabled():
        sys.stdout.write("\nlabel_studio: " + "\n  ".join(said) + "\n")


def created_key(home: Path, pupila: Path) -> str:
    """One that Label Studio is given, and with which the server is closed to others."""
    done = command(
        *("keys", "create", "--name", "label-studio", "--scope", "label,predict"),
        env=environment(home, home=pupila),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def begun(studio: LabelStudio, server: Server, key: str, said: list[str]) -> tuple[int, People]:
    """A project of 50 tasks that are labelled: some with their image within, some uploaded."""
    files = images()
    project = studio.project(f"{server.url}/labelstudio/", key)
    within = [
        {"image": "data:image/png;base64," + base64.b64encode(one).decode()}
        for one in files[UPLOADED:]
    ]
    studio.ask("POST", f"/api/projects/{project}/import", json=within)
    studio.upload(project, {f"{number}.png": one for number, one in enumerate(files[:UPLOADED])})
    studio.prelabel(project)
    tasks = studio.tasks(project)
    assert len(tasks) == TASKS
    order = [*files[UPLOADED:], *files[:UPLOADED]]
    for task, image in zip(tasks, order, strict=True):
        (prediction,) = task["predictions"]
        answer = httpx2.post(
            f"{server.url}/predict/clf", content=image, headers={"X-API-Key": key}, timeout=60
        ).json()
        (result,) = prediction["result"]
        assert result["value"]["choices"] == [str(answer["prediction"])], task["data"]
        assert 0 < prediction["score"] <= 1
    said.append(f"{len(tasks)} tasks labelled before people, {UPLOADED} of them uploaded files")
    return project, People(studio, tasks)


def many(studio: LabelStudio, server: Server, key: str, said: list[str]) -> None:
    """A project larger than what is labelled at once: Label Studio sends all of it together."""
    project = studio.project(f"{server.url}/labelstudio/clf/", key)
    image = "data:image/png;base64," + base64.b64encode(images()[0]).decode()
    sent = [{"image": image, "number": number} for number in range(MANY)]
    studio.ask("POST", f"/api/projects/{project}/import", json=sent)
    studio.prelabel(project)
    labelled = [bool(task["predictions"][0]["result"]) for task in studio.tasks(project)]
    assert labelled == [True] * MANY
    said.append(f"{MANY} tasks labelled by one request")


def missed(people: People) -> None:
    """What happens while nobody hears the webhooks, of each kind that there is."""
    people.annotate(range(20, 40))
    people.change(people.made[20:23] + people.made[7:9])
    people.delete(people.made[23:24] + people.made[9:10])
    people.studio.delete_task(people.tasks[10]["id"])
    people.studio.annotate(people.tasks[42]["id"], "1", skipped=True)


def run_import(path: Path, home: Path, pupila: Path) -> str:
    done = command(
        *("records", "labelstudio", "import", str(path), "--model", "clf"),
        env=environment(home, home=pupila),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def differing(records: Path, wanted: dict[str, str]) -> str:
    found = kept(records)
    return str(
        {
            name: (found.get(name), wanted.get(name))
            for name in sorted(found.keys() | wanted.keys())
            if found.get(name) != wanted.get(name)
        }
    )
