"""Data: what is kept of a model, by class; what is wrong with it; export and deletion."""

import json
from typing import Final

from console.pages.trying import champion_of, label_of
from console.pictures import sees_tiny
from console.progress import progress_file, reached, stop
from console.recent import RECENT
from console.report import CHECKS, STATES, newest
from console.server import Listing
from console.visit import Answer, Content, Export, NotHereError, Page, Redirect, Visit, link
from models.manifest import Label
from records.audit import Act, add_acts
from records.browsing import class_counts, duplicates, kept, of_class
from records.database import Database
from records.reports import history
from records.retention import Deleted, delete, image_digests

_MOST_KEPT: Final = 100_000
_PAGE: Final = 48
_LAST_PAGE: Final = 200
_GROUPS: Final = 8
_MOST_ID: Final = 128
_KINDS: Final = {
    "parquet": ("application/vnd.apache.parquet", "parquet"),
    "folder": ("application/zip", "zip"),
}


def show(visit: Visit) -> Answer:
    listing = visit.model
    if listing is None:
        return Page("data.html", {"listing": None})
    if visit.query.get("class"):
        return _class(visit, listing)
    if visit.wants_json:
        return _progress(visit)
    version = champion_of(listing)
    with visit.server.records() as database:
        name = listing.name
        counts = RECENT(("counts", name), lambda: class_counts(database, name))
        number = RECENT(("kept", name), lambda: kept(database, name, _MOST_KEPT))
        groups = RECENT(("duplicates", name), lambda: duplicates(database, name, _GROUPS))
        rows = history(database, listing.name, "quality", limit=1)
    report = newest(rows, visit.words)
    names: list[Label] = [*version.manifest.labels]
    known = {str(name) for name in names}
    names += [label for label in {**counts.predicted, **counts.given} if str(label) not in known]
    trained = version.manifest.data.classes if version.manifest.data else {}
    return Page(
        "data.html",
        {
            "listing": listing,
            "classes": [
                (
                    label,
                    trained.get(str(label), 0),
                    counts.predicted.get(label, 0),
                    counts.given.get(label, 0),
                )
                for label in names[:500]
            ],
            "known": version.manifest.labels,
            "counts": counts,
            "number": number,
            "capped": number >= _MOST_KEPT,
            "groups": groups,
            "report": report,
            "checks": CHECKS,
            "states": STATES,
            "small": sees_tiny(version),
            "may_export": visit.may("label") or visit.may("operate"),
            "can_operate": visit.may("operate"),
            "deleted": visit.query.get("deleted", ""),
        },
    )


def change(visit: Visit) -> Answer:
    """Export, stop that, or delete a request everywhere."""
    listing = visit.model
    what = visit.form.get("what", "")
    if listing is None:
        raise NotHereError(404, "There is no such model.")
    if what in _KINDS:
        kind, suffix = _KINDS[what]
        arguments = ["-m", "console.exporting", "--model", listing.name, "--kind", what]
        if visit.form.get("labelled"):
            arguments.append("--labelled")
        progress = progress_file(visit.server.settings.home, visit.form.get("export", ""))
        return Export(arguments, kind, f"{listing.name}.{suffix}", progress)
    if what == "stop":
        path = progress_file(visit.server.settings.home, visit.form.get("export", ""))
        if path is not None:
            stop(path)
        return Content(b"{}", "application/json")
    if what != "delete":
        raise NotHereError(400, "There is no such action.")
    if not visit.may("operate"):
        raise NotHereError(403, "Your key lacks the scope {scope}.", scope="operate")
    request_id = visit.form.get("request_id", "")
    if not 0 < len(request_id) <= _MOST_ID:
        raise NotHereError(400, "Write the id of a request.")
    if visit.form.get("sure") != "yes":
        return Page("delete.html", {"listing": listing, "request_id": request_id})
    with visit.server.records() as database:
        deleted = _delete(visit, database, request_id, listing.name)
    if not deleted.predictions:
        raise NotHereError(404, "There are no records of this request.")
    return Redirect(link("data", model=listing.name, deleted=deleted.predictions))


def _delete(visit: Visit, database: Database, request_id: str, model: str) -> Deleted:
    """First what was kept of its images for training: without its records, nothing would lead to
    that any more."""
    visit.server.store.training_images.forget(image_digests(database, request_id, model))
    deleted = delete(database, request_id, model)
    if deleted.predictions:
        with database.writing() as connection:
            # Without its id, which must be deletable.
            subject = f"{deleted.predictions} predictions of {model}"
            add_acts(connection, [Act(visit.who, "delete request", subject)])
    return deleted


def _progress(visit: Visit) -> Content:
    """How far an export is, for the page that has begun it."""
    path = progress_file(visit.server.settings.home, visit.query.get("export", ""))
    found = None if path is None else reached(path)
    return Content(
        json.dumps({} if found is None else found._asdict()).encode(), "application/json"
    )


def _class(visit: Visit, listing: Listing) -> Answer:
    version = champion_of(listing)
    label = label_of(visit.query["class"], version)
    number = visit.query.get("page", "1")
    page = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 1
    page = min(max(1, page), _LAST_PAGE)
    by_label = visit.query.get("by") == "label"
    with visit.server.records() as database:
        found = RECENT(
            ("class", listing.name, str(label), by_label, page),
            lambda: of_class(
                database,
                listing.name,
                label,
                by_label=by_label,
                skip=(page - 1) * _PAGE,
                limit=_PAGE + 1,
            ),
        )
    return Page(
        "class.html",
        {
            "listing": listing,
            "label": label,
            "known": version.manifest.labels,
            "by_label": by_label,
            "found": found[:_PAGE],
            "page": page,
            "more": len(found) > _PAGE,
            "small": sees_tiny(version),
        },
    )
