"""A round trip: images to Label Studio, and its annotations back as labels, changed and deleted."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from errors import RecordsError
from records.annotations import SOURCE, change, remarks
from records.audit import acts
from records.database import Database
from records.labels import NewLabel
from records.labelstudio import choice_of, label_of, number_of, request_id_of
from records.labelstudio_files import Reconciled, reconcile, write_tasks
from records.schema import images, labels
from records.windows import window
from tests.records.rows import keep, label, row

JPEG = Path("tests/data/digit8.jpg").read_bytes()


def truths(database: Database) -> dict[str, Any]:
    """The labels that count, by request."""
    found = window(database, "clf", status=None)
    return {one.request_id: one.truth for one in found if one.truth is not None}


def exported(path: Path, *tasks: dict[str, Any]) -> Path:
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def task(number: int, *choices: str | None, **fields: Any) -> dict[str, Any]:
    """As Label Studio exports it, with an annotation for each choice, newest last."""
    annotations = [
        {
            "id": number * 10 + place,
            "was_cancelled": choice is None,
            "updated_at": f"2030-01-31T12:00:{place:02}Z",
            "result": [{"type": "choices", "value": {"choices": [choice]}}] if choice else [],
        }
        for place, choice in enumerate(choices)
    ]
    data = {"image": "/data/upload/x.png", "request_id": str(number)}
    return {"id": number, "project": 3, "data": data, "annotations": annotations} | fields


@pytest.fixture
def kept(database: Database) -> Database:
    keep(
        database,
        *(row(str(number), image=JPEG, confidence=number / 100) for number in range(1, 51)),
    )
    return database


def test_fifty_tasks_twenty_annotated_five_changed_two_deleted(
    kept: Database, tmp_path: Path
) -> None:
    file = tmp_path / "export.json"
    first = dict.fromkeys(range(1, 21), "3")
    done = reconcile(kept, exported(file, *(task(n, c) for n, c in first.items())), "clf", "image")
    assert (done.added, done.deleted, done.projects) == (20, 0, ["3"])
    second = first | dict.fromkeys(range(1, 6), "8")
    tasks = [task(n, c) for n, c in second.items() if n not in (19, 20)]
    tasks.append(task(19, None))
    done = reconcile(kept, exported(file, *tasks), "clf", "image")
    assert done == Reconciled(corrected=5, unchanged=13, deleted=2, other=1, projects=["3"])
    assert truths(kept) == {
        str(number): int(choice) for number, choice in second.items() if number < 19
    }
    again = reconcile(kept, file, "clf", "image")
    assert (again.added, again.corrected, again.deleted, again.unchanged) == (0, 0, 0, 18)


def test_what_a_webhook_missed_is_found(kept: Database, tmp_path: Path) -> None:
    of_webhook = NewLabel("1", 3, "clf", source=SOURCE, remark="project 3, annotation 10")
    missed_deletion = NewLabel("2", 3, "clf", source=SOURCE, remark="project 3, annotation 20")
    elsewhere = NewLabel("3", 3, "clf", source=SOURCE, remark="project 33, annotation 30")
    change(kept, "clf", [of_webhook, missed_deletion, elsewhere], [], lambda _: (3, 8))
    label(kept, "4", 8)
    file = exported(tmp_path / "export.json", task(1, "3"), task(5, "8"))
    done = reconcile(kept, file, "clf", "image")
    assert (done.added, done.unchanged, done.deleted) == (1, 1, 1)
    assert truths(kept) == {"1": 3, "3": 3, "4": 8, "5": 8}


def test_part_of_the_annotations_deletes_none_if_told_so(kept: Database, tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    reconcile(kept, exported(file, task(1, "3"), task(2, "3")), "clf", "image")
    done = reconcile(kept, exported(file, task(1, "8")), "clf", "image", only_add=True)
    assert (done.corrected, done.deleted) == (1, 0)
    assert truths(kept) == {"1": 8, "2": 3}


def test_of_several_annotations_the_newest_counts_or_the_ground_truth(
    kept: Database, tmp_path: Path
) -> None:
    sure = task(2, "3", "8")
    sure["annotations"][0]["ground_truth"] = True
    file = exported(tmp_path / "export.json", task(1, "3", "8"), sure, task(4, "3", None))
    reconcile(kept, file, "clf", "image")
    assert truths(kept) == {"1": 8, "2": 3, "4": 3}


def test_an_image_that_the_export_brings(database: Database, tmp_path: Path) -> None:
    url = f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}"
    brought = task(1, "8", data={"image": url})
    file = exported(tmp_path / "export.json", brought, task(2, "8"))
    done = reconcile(database, file, "clf", "image")
    assert (done.added, done.unknown) == (1, 1)
    with database.reading() as connection:
        (found,) = connection.execute(select(labels.c.request_id, labels.c.label)).all()
        assert tuple(found) == ("labelstudio-3-1", "8")
        assert connection.execute(select(images.c.content)).scalar_one() == JPEG


def test_deletions_are_in_the_audit(kept: Database) -> None:
    change(kept, "clf", [NewLabel("1", 3, "clf", source=SOURCE, remark="a")], [], lambda _: None)
    change(kept, "pets", [], ["a"], lambda _: None)
    assert remarks(kept, "clf", "") == {"a"}
    change(kept, "clf", [], ["a", "unknown"], lambda _: None, "line-3")
    assert remarks(kept, "clf", "") == set()
    newest = acts(kept)[0][1]
    assert (newest.actor, newest.action, newest.detail) == ("line-3", "unlabel", "3")
    with kept.reading() as connection:
        assert connection.execute(select(labels)).all() == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "cannot be read as JSON"),
        ("{}", "an array of tasks"),
        ("[5]", "needs data and project"),
        ('[{"image": "x", "choice": "y"}]', "not JSON-MIN"),
    ],
)
def test_what_is_no_export(database: Database, tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "export.json"
    file.write_text(content)
    with pytest.raises(RecordsError, match=sentence):
        reconcile(database, file, "clf", "image")


def test_tasks_are_the_least_sure_without_a_label(kept: Database, tmp_path: Path) -> None:
    label(kept, "1", 8)
    names = {"from_name": "digit", "to_name": "img", "key": "photo"}
    file = tmp_path / "tasks.json"
    assert write_tasks(kept, file, "clf", limit=3, **names) == 3
    tasks = json.loads(file.read_bytes())
    assert [one["data"]["request_id"] for one in tasks] == ["2", "3", "4"]
    prefix, _, content = tasks[0]["data"]["photo"].partition(",")
    assert prefix == "data:image/jpeg;base64"
    assert base64.b64decode(content) == JPEG
    (prediction,) = tasks[0]["predictions"]
    assert prediction["score"] == pytest.approx(0.02)
    assert prediction["model_version"] == "clf:clf:a"
    assert prediction["result"][0] == {
        "from_name": "digit",
        "to_name": "img",
        "type": "choices",
        "value": {"choices": ["8"]},
    }
    with pytest.raises(RecordsError, match="exists"):
        write_tasks(kept, file, "clf", limit=3, **names)


def test_what_things_mean() -> None:
    assert number_of("3.17000") == number_of(3) == number_of({"id": 3}) == "3"
    assert request_id_of({"id": 5, "data": {}}, "3.1") == "labelstudio-3-5"
    assert request_id_of({"id": 5, "data": {"request_id": "x" * 129}}, 3) == "labelstudio-3-5"
    assert [label_of(text, (3, 8)) for text in ("3", "5", "x")] == [3, 5, "x"]
    assert label_of("3", ("a", "b")) == label_of("3", None) == "3"
    assert choice_of({"result": [{"value": 5}, {"value": {"choices": ["a", "b"]}}]}) == "a"
    assert choice_of({"result": 5}) is choice_of(None) is choice_of({"was_cancelled": True}) is None
