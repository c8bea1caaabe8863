"""Label Studio's files: tasks for it to import, and what it exports, as JSON."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import exists, select

from errors import RecordsError
from images.formats import sniff
from records.annotations import SOURCE, change, remarks
from records.database import Database
from records.labels import NewLabel
from records.labelstudio import choice_of, label_of, number_of, remark_of, request_id_of
from records.newfile import new_file
from records.prediction import Label
from records.schema import labels, predictions
from records.windows import Record, read

MAX_BYTES: Final = 2 * 1024**3
_PAGE: Final = 100


@dataclass
class Reconciled:
    """What an export has changed: numbers of labels. ``unknown``: of images that the records do
    not have; ``other``: those that were left as they are, since no choice was made."""

    added: int = 0
    unchanged: int = 0
    corrected: int = 0
    deleted: int = 0
    unknown: int = 0
    other: int = 0
    projects: list[str] = field(default_factory=list)


def write_tasks(
    database: Database,
    path: Path,
    model: str,
    *,
    limit: int,
    from_name: str,
    to_name: str,
    key: str,
    overwrite: bool = False,
) -> int:
    """Write the unlabelled images of a model as tasks with predictions, the least sure first.

    Returns how many. Raises RecordsError if the file cannot be written, and DatabaseError.
    """
    with new_file(path, overwrite=overwrite) as part, database.reading() as connection:
        ids = list(
            connection.execute(
                select(predictions.c.id)
                .where(
                    predictions.c.model == model,
                    predictions.c.status == 200,
                    predictions.c.image_bytes > 0,
                    ~exists().where(labels.c.prediction_id == predictions.c.id),
                )
                .order_by(predictions.c.confidence, predictions.c.id)
                .limit(limit)
            ).scalars()
        )
        with part.open("w", encoding="utf-8") as file:
            file.write("[")
            written = 0
            for start in range(0, len(ids), _PAGE):
                for record in read(connection, ids[start : start + _PAGE]):
                    task = _task(record, from_name, to_name, key)
                    file.write(",\n" if written else "\n")
                    json.dump(task, file, ensure_ascii=False)
                    written += 1
            file.write("\n]\n")
    return written


def reconcile(
    database: Database, path: Path, model: str, key: str, *, only_add: bool = False
) -> Reconciled:
    """Make the labels of annotations those of an export: added, changed and, unless ``only_add``,
    deleted where an annotation of one of its projects is gone.

    Of several annotations of a task, the ground truth counts, else the newest. Raises RecordsError
    for a file that is no export.
    """
    classes = _classes(database, model)
    present: set[str] = set()
    projects: dict[str, None] = {}
    new: list[NewLabel] = []
    result = Reconciled()
    for task in _tasks(path):
        project = task.get("project")
        projects[number_of(project)] = None
        annotations = [one for one in task.get("annotations") or [] if type(one) is dict]
        chosen = [(one, choice) for one in annotations if (choice := choice_of(one)) is not None]
        present |= {remark_of(project, one.get("id")) for one, _ in chosen}
        if not chosen:
            result.other += 1
            continue
        decisive, choice = max(chosen, key=lambda pair: _rank(pair[0]))
        new.append(
            NewLabel(
                request_id_of(task, project),
                label_of(choice, classes),
                model,
                _image(task["data"].get(key)),
                SOURCE,
                remark=remark_of(project, decisive.get("id")),
            )
        )
    gone: set[str] = set()
    if not only_add:
        for project in projects:
            gone |= remarks(database, model, f"project {project}, ") - present
    outcomes, result.deleted = change(database, model, new, gone, lambda _: classes)
    for outcome in outcomes:
        if outcome.status in ("unknown", "full"):
            result.unknown += 1
        else:
            setattr(result, outcome.status, getattr(result, outcome.status) + 1)
    result.projects = list(projects)
    return result


def _task(record: Record, from_name: str, to_name: str, key: str) -> dict[str, Any]:
    image = record.image or b""
    url = f"data:{sniff(image).media_type};base64,{b64encode(image).decode()}"
    task: dict[str, Any] = {"data": {key: url, "request_id": record.request_id}}
    if record.label is not None:
        score = record.confidence
        task["predictions"] = [
            {
                "model_version": f"{record.model}:{record.version}",
                "score": score,
                "result": [
                    {
                        "from_name": from_name,
                        "to_name": to_name,
                        "type": "choices",
                        "value": {"choices": [str(record.label)]},
                    }
                ],
            }
        ]
    return task


def _tasks(path: Path) -> Iterator[dict[str, Any]]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecordsError(f"{path} is larger than {MAX_BYTES} bytes: export fewer tasks.")
        tasks = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RecordsError(f"{path} cannot be read as JSON: {error}.") from None
    if type(tasks) is not list:
        raise RecordsError(f"{path} is not Label Studio's export as JSON: an array of tasks.")
    for task in tasks:
        if type(task) is not dict or type(task.get("data")) is not dict or "project" not in task:
            raise RecordsError(
                f"{path} is not Label Studio's export as JSON: each task needs data and project "
                "(the format JSON, not JSON-MIN)."
            )
        yield task


def _rank(annotation: dict[str, Any]) -> tuple[bool, str, int]:
    number = annotation.get("id")
    return (
        annotation.get("ground_truth") is True,
        str(annotation.get("updated_at") or annotation.get("created_at") or ""),
        number if type(number) is int else 0,
    )


def _image(source: Any) -> bytes | None:
    """Of a ``data:`` URL; others are in the records, or are not brought by this file."""
    if type(source) is not str or not source.startswith("data:image/"):
        return None
    _, base64, content = source.partition(";base64,")
    try:
        return b64decode(content, validate=True) if base64 else None
    except ValueError:
        return None


def _classes(database: Database, model: str) -> tuple[Label, ...]:
    """Those that the model has answered with."""
    found = select(predictions.c.label).where(
        predictions.c.model == model, predictions.c.label.is_not(None)
    )
    with database.reading() as connection:
        return tuple(connection.execute(found.distinct()).scalars())
