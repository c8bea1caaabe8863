"""Versions: how good each is, who answers and why; rollouts: how far they are, and their end."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from console import jobs
from console.comparison import differences
from console.evidence import gather
from console.matrix import matrix
from console.pictures import sees_tiny
from console.server import Listing
from console.visit import Answer, NotHereError, Page, Redirect, Visit, link
from models.version import Version
from records.browsing import mistakes
from records.champions import promote, rollback
from records.decisions import history, past_champions
from records.rollouts import rollouts
from records.verdicts import VerdictRow, verdicts

# Whose reason is a sentence of the guard, which is in English.
_BY_GUARD: Final = ("stage", "gain", "harm")
_LISTED: Final = 30
_DECISIONS: Final = 20
_TRIALS: Final = 20
_MISTAKES: Final = 24
_REASON: Final = 500
_NEWS_SECONDS: Final = 3600.0

ACTIONS: Final = {
    "found": "was answering already",
    "promote": "was made the champion",
    "rollback": "is the champion again",
    "start": "the trial of a version began",
    "stage": "the trial went on",
    "pause": "the trial was paused",
    "resume": "the trial went on after a pause",
    "gain": "won its trial and is the champion",
    "harm": "the trial was rolled back",
    "abort": "the trial was ended",
}
OUTCOMES: Final = {
    "passed": ("calm", "The gate passed it"),
    "refused": ("alarm", "The gate refused it"),
    "too few images": ("warn", "Too few images to judge it"),
}
_ROUTES: Final = {
    "promote": "/rollouts/promote",
    "pause": "/rollouts/pause",
    "resume": "/rollouts/resume",
    "abort": "/rollouts/abort",
}


def show(visit: Visit) -> Answer:
    listing = visit.model
    if listing is None:
        return Page("versions.html", {"listing": None})
    if visit.rest:
        return _version(visit, listing)
    if visit.query.get("a") and visit.query.get("b"):
        return _compared(visit, listing)
    versions = [version for version, _ in reversed(listing.versions)]
    settings = visit.server.settings
    with visit.server.records() as database:
        evidence = None
        if listing.rollout is not None:
            evidence = gather(database, listing.rollout, settings, visit.words)
        decisions = history(database, listing.name, limit=_DECISIONS)
        with database.reading() as connection:
            _, back_to = ["", "", *past_champions(connection, listing.name)][:-3:-1]
        trials = {one.id: one.challenger for one in rollouts(database, listing.name, limit=_TRIALS)}
        judged = {
            row.challenger: row for row in reversed(verdicts(database, listing.name, limit=100))
        }
    starting = jobs.last(settings, "start", listing.name)
    return Page(
        "versions.html",
        {
            "listing": listing,
            "versions": versions[:_LISTED],
            "more": max(0, len(versions) - _LISTED),
            "other": next((one.version for one in versions if one.tag != listing.champion), ""),
            "evidence": evidence,
            "decisions": decisions,
            "actions": ACTIONS,
            "by_guard": _BY_GUARD,
            "trials": trials,
            "verdicts": judged,
            "outcomes": OUTCOMES,
            "can_operate": visit.may("operate"),
            "back_to": back_to if any(one.version == back_to for one in versions) else "",
            "job": starting if starting is not None and starting.running else None,
            "failed": starting if _failed(starting) and listing.rollout is None else None,
            "sentence": jobs.sentence,
        },
    )


def change(visit: Visit) -> Answer:
    """Promote, pause, go on, end, roll back, or begin a trial: each with a reason."""
    listing = visit.model
    what = visit.form.get("what", "")
    if listing is None:
        raise NotHereError(404, "There is no such model.")
    because = " ".join(visit.form.get("because", "").split())[:_REASON]
    if not because:
        raise NotHereError(400, "Say why, for those who will ask.")
    if what in _ROUTES:
        reply = visit.ask(_ROUTES[what], {"model": listing.name, "because": because})
        if reply.status != 200:
            raise NotHereError(reply.status, str(json.loads(reply.body).get("detail", "")))
    elif what == "rollback":
        known = {version.version for version, _ in listing.versions}
        with visit.server.records() as database:
            rollback(database, listing.name, actor=visit.who, because=because, known=known)
    elif what == "champion":
        _promoted(visit, listing, because)
    elif what == "start":
        version = _chosen(listing, visit.form.get("version", ""))
        if not jobs.possible():
            raise NotHereError(
                409, "This machine has no scikit-learn: run the command where models are trained."
            )
        arguments = ["--actor", visit.who, "--because", because]
        if visit.form.get("anyway"):
            arguments.append("--anyway")
        jobs.begin(
            visit.server.settings, "start", listing.name, visit.who, *arguments, "--", version.tag
        )
    else:
        raise NotHereError(400, "There is no such action.")
    return Redirect(link("versions", model=listing.name))


def _failed(job: jobs.Job | None) -> bool:
    return job is not None and bool(job.code) and time.time() - job.beat < _NEWS_SECONDS


def _promoted(visit: Visit, listing: Listing, because: str) -> None:
    version = _chosen(listing, visit.form.get("version", ""))
    # A version whose files were altered, or that nobody signed, would answer nowhere.
    version.artifact.verify()
    answering = listing.champion.partition(":")[2]
    with visit.server.records() as database:
        promote(
            database,
            listing.name,
            version.version,
            actor=visit.who,
            because=because,
            answering=answering if answering != version.version else None,
        )


def _chosen(listing: Listing, name: str) -> Version:
    for version, _ in listing.versions:
        if name in (version.version, version.tag):
            return version
    raise NotHereError(404, "There is no such version.")


def _version(visit: Visit, listing: Listing) -> Answer:
    """``/console/versions/<model>/<version>``"""
    name = visit.rest[0]
    listing = next((one for one in visit.listings() if one.name == name), listing)
    if listing.name != name or len(visit.rest) != 2:
        raise NotHereError(404, "There is no such version.")
    version = _chosen(listing, visit.rest[1])
    manifest = version.manifest
    with visit.server.records() as database:
        wrong = mistakes(database, listing.name, version.version, _MISTAKES)
        rows = verdicts(database, listing.name, version.version, limit=1)
    return Page(
        "version.html",
        {
            "listing": listing,
            "version": version,
            "manifest": manifest,
            "matrix": matrix(manifest.metrics.confusion) if manifest.metrics else None,
            "wrong": wrong,
            "verdict": _verdict(rows[0]) if rows else None,
            "outcomes": OUTCOMES,
            "small": sees_tiny(version),
            "is_champion": version.tag == listing.champion,
            "can_operate": visit.may("operate"),
            "can_start": jobs.possible(),
        },
    )


def _compared(visit: Visit, listing: Listing) -> Answer:
    first = _chosen(listing, visit.query["a"])
    second = _chosen(listing, visit.query["b"])
    with visit.server.records() as database:
        rows = [
            row
            for row in verdicts(database, listing.name, second.version, limit=20)
            if row.champion == first.version
        ]
    return Page(
        "compare.html",
        {
            "listing": listing,
            "first": first,
            "second": second,
            "rows": differences(visit.words, first, second),
            "verdict": _verdict(rows[0]) if rows else None,
            "outcomes": OUTCOMES,
        },
    )


def _verdict(row: VerdictRow) -> Mapping[str, Any]:
    """A judgement of the gate, as far as it can be read."""
    try:
        body = json.loads(row.body)
    except ValueError:
        body = {}
    checks: Sequence[Any] = body.get("checks", []) if isinstance(body, dict) else []
    return {
        "at": row.at,
        "outcome": row.outcome,
        "champion": row.champion,
        "because": str(body.get("because", "")) if isinstance(body, dict) else "",
        "checks": [one for one in checks if isinstance(one, dict)],
    }
