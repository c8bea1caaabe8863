"""Label: the images that matter, one after the other."""

import json
from collections.abc import Sequence
from typing import Any, Final

from console.naming import NONE, named
from console.pages.trying import champion_of, label_of
from console.pictures import sees_tiny
from console.queue import queue
from console.recent import RECENT
from console.visit import Answer, Content, NotHereError, Page, Redirect, Visit, link
from models.manifest import Label
from records.candidates import Candidate, waiting
from records.database import Database
from records.labellers import labellers, withdraw
from records.lookup import Found, find
from records.requests import ask

_BATCH: Final = 24
_MOST_SKIPPED: Final = 400
_MOST_BUTTONS: Final = 30

WHY: Final = {
    "rollout": "Champion and challenger disagree",
    "monitor": "The monitor suspects harm",
    "random": "Drawn at random, to measure the accuracy",
    "unknown": "Unlike the images of the training",
    "unsure": "The model is unsure: {p}",
    "doubted": "Labelled before, but the model is sure it is something else",
    "second": "Labelled by another person: what do you say?",
}
SURE: Final = "The model is sure ({p}): a label checks that"
"""Of what it is least sure of, where it is sure of everything."""

_SURE_FROM: Final = 0.9


def show(visit: Visit) -> Answer:
    listing = visit.model
    if listing is None:
        return Page("label.html", {"listing": None})
    version = champion_of(listing)
    skipped = _numbers(visit.query.get("skip", ""))
    with visit.server.records() as database:
        rollout = listing.rollout
        last = _number(visit.query.get("last", ""))
        without = {*skipped, *([last] if last is not None else [])}
        found = queue(database, listing.name, rollout, visit.source, without, _BATCH)
        back = _number(visit.query.get("back", ""))
        again = find(database, back) if back is not None else None
        if visit.wants_json:
            items = [_item(visit, one, version.manifest.labels) for one in found]
            return Content(json.dumps({"items": items}).encode(), "application/json")
        open_ = RECENT(("open", listing.name), lambda: waiting(database, listing.name))
        people = RECENT(("people", listing.name), lambda: labellers(database, listing.name))
    if again is not None and again.model == listing.name:
        found = [_again(again), *(one for one in found if one.id != again.id)]
    labels = version.manifest.labels
    return Page(
        "label.html",
        {
            "listing": listing,
            "items": [_item(visit, one, version.manifest.labels) for one in found],
            "labels": labels,
            "buttons": _buttons(labels),
            "small": sees_tiny(version),
            "skip": ",".join(map(str, skipped)),
            "last": last,
            "waiting": open_,
            "people": people,
            "people_today": people.today.get(visit.source, 0),
        },
    )


def label(visit: Visit) -> Answer:
    """Keep a label, or take one back."""
    listing = visit.model
    what = visit.form.get("what", "label")
    # Without our script, the form that takes a label back shows the next image already.
    which = "last" if what == "undo" and not visit.wants_json else "id"
    prediction_id = _number(visit.form.get(which, ""))
    if listing is None or prediction_id is None:
        raise NotHereError(400, "The form names no image.")
    skipped = _numbers(visit.form.get("skip", ""))
    if what == "skip":
        skipped = [*skipped, prediction_id]
        return _next(visit, listing.name, skipped, None)
    with visit.server.records() as database:
        found = find(database, prediction_id)
        if found is None or found.model != listing.name:
            raise NotHereError(404, "The image is not kept any more.")
        if what == "undo":
            taken = withdraw(database, prediction_id, visit.source, visit.who)
            if visit.wants_json:
                return _json({"withdrawn": taken is not None})
            return Redirect(link("label", model=listing.name, back=prediction_id))
        version = champion_of(listing)
        given: Label = (
            NONE[version.manifest.label_type]
            if what == "none"
            else label_of(visit.form.get("label", ""), version)
        )
        _asked_for(visit, database, found)
    fields = {
        "request_id": found.request_id,
        "model": found.model,
        "label": given,
        "source": visit.source,
    }
    reply = visit.ask("/feedback/", fields)
    if reply.status != 200:
        raise NotHereError(reply.status, str(json.loads(reply.body).get("detail", "")))
    if visit.wants_json:
        return Content(reply.body, "application/json")
    return _next(visit, listing.name, skipped, prediction_id)


def _asked_for(visit: Visit, database: Database, found: Found) -> None:
    """A disagreement of the rollout that is going on counts for it, as if the rollout had asked for
    its label: the queue draws it by the same rule, whatever the label will be."""
    listing = visit.model
    rollout = None if listing is None else listing.rollout
    if rollout is not None and found.rollout_id == rollout.id:
        ask(database, [found.id], "rollout", rollout.id)


def _next(visit: Visit, model: str, skipped: Sequence[int], last: int | None) -> Answer:
    if visit.wants_json:
        return _json({})
    listed = ",".join(map(str, skipped[-_MOST_SKIPPED:]))
    return Redirect(link("label", model=model, skip=listed, last=last))


def _item(visit: Visit, one: Candidate, classes: Sequence[Label]) -> dict[str, Any]:
    sure = one.confidence or 0.0
    text = SURE if one.why == "unsure" and sure >= _SURE_FROM else WHY[one.why]
    why = visit.words(text, p=visit.words.below_all(sure))
    if one.given is not None:
        why += f": {named(visit.words, one.given, classes)}"
    return {"id": one.id, "why": why, "at": visit.words.time(one.at), "kind": one.why}


def _again(found: Found) -> Candidate:
    return Candidate(
        found.id, found.request_id, found.at, found.label, found.confidence, None, "random"
    )


def _buttons(labels: Sequence[Label]) -> list[tuple[str, Label]]:
    """The classes that have a button, and the key of each: its own digit if each is one, else its
    place."""
    names = [str(one) for one in labels]
    if all(len(name) == 1 and name.isdigit() for name in names):
        return list(zip(names, labels, strict=True))
    keys = [*"123456789", *([""] * max(0, len(names) - 9))]
    return list(zip(keys, labels, strict=False))[:_MOST_BUTTONS]


def _numbers(text: str) -> list[int]:
    found = (_number(part) for part in text.split(",")[-_MOST_SKIPPED:])
    return [number for number in found if number is not None]


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _json(content: Any) -> Content:
    return Content(json.dumps(content).encode(), "application/json")
