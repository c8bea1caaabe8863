"""Tasks and annotations as Label Studio sends them, and what they mean here."""

from typing import Any, Final, NamedTuple

from errors import BadRequestError
from records.prediction import Label

MAX_TASKS: Final = 10_000
MAX_REQUEST_ID: Final = 128
REQUEST_ID: Final = "request_id"
"""The field of a task's data that names the request whose image it shows, if there is one."""


class Task(NamedTuple):
    """``source``: where its image is, or what is wrong with it."""

    request_id: str
    source: str | BadRequestError


def read_tasks(fields: dict[str, Any], key: str) -> list[Task]:
    """Those to be labelled, in order. Raises BadRequestError."""
    tasks = fields.get("tasks")
    if type(tasks) is not list or not 1 <= len(tasks) <= MAX_TASKS:
        raise BadRequestError(f"tasks must be an array of 1 to {MAX_TASKS} tasks.")
    project = fields.get("project")
    return [_task(task, project, key) for task in tasks]


def _task(task: Any, project: Any, key: str) -> Task:
    data = task.get("data") if type(task) is dict else None
    if type(data) is not dict:
        return Task("", BadRequestError("A task must be an object with data."))
    source = data.get(key)
    if type(source) is not str or not source:
        return Task("", BadRequestError(f"The task's data has no {key!r}."))
    return Task(request_id_of(task, project), source)


def request_id_of(task: dict[str, Any], project: Any) -> str:
    """That which its data names, or one that is made of its number and its project's."""
    named = task["data"].get(REQUEST_ID)
    if type(named) is str and 0 < len(named) <= MAX_REQUEST_ID:
        return named
    return f"labelstudio-{number_of(project)}-{number_of(task.get('id'))}"


def number_of(value: Any) -> str:
    """Of a project: a number, ``3.1700000000`` with the time of its creation, or an object."""
    if type(value) is dict:
        value = value.get("id")
    return str(value)[:20].partition(".")[0]


def remark_of(project: Any, annotation: Any) -> str:
    """By which the labels of an annotation are found again."""
    return f"project {number_of(project)}, annotation {number_of(annotation)}"


def choice_of(annotation: Any) -> str | None:
    """The first choice of an annotation; None if it was skipped, or has none."""
    if type(annotation) is not dict or annotation.get("was_cancelled"):
        return None
    result = annotation.get("result")
    for part in result if type(result) is list else ():
        value = part.get("value") if type(part) is dict else None
        choices = value.get("choices") if type(value) is dict else None
        if type(choices) is list and choices and type(choices[0]) is str:
            return str(choices[0])
    return None


def label_of(choice: str, labels: tuple[Label, ...] | None) -> Label:
    """The label that a choice means: the model's, whose labels may be numbers."""
    known = {str(label): label for label in labels or ()}
    if choice in known:
        return known[choice]
    if labels and type(labels[0]) is int and choice.removeprefix("-").isdecimal():
        return int(choice)
    return choice
