"""Watch: whether all is well with a model, why not, and what to do next."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from markupsafe import Markup

from console import jobs
from console.advice import steps
from console.charts import bars, lines, marks, stacks, whiskers
from console.language import Words
from console.pictures import sees_tiny
from console.recent import RECENT
from console.report import STATES, VIEWS, accuracies, changes, newest
from console.trend import Span, Trends
from console.visit import Answer, NotHereError, Page, Redirect, Visit, link
from records.candidates import waiting as open_labels
from records.columns import text_label
from records.labelled import labelled_since
from records.reports import history
from records.trends import Step

SPANS: Final[Mapping[Span, str]] = {"hour": "Hour", "day": "Day", "month": "Month"}
_TRENDS: Final = Trends()
_REPORTS: Final = 30
_SHOWN: Final = 12
_COLORS: Final = 5
# Whoever has just labelled may be answered by another worker.
_UNSEEN_SECONDS: Final = 3.0
# An infinite bound of a bucket: more than ten seconds.
_LONGEST: Final = 10.0
_NEWS_SECONDS: Final = 3600.0


def show(visit: Visit) -> Answer:
    listing = visit.model
    if listing is None:
        return Page("watch.html", {"listing": None})
    words = visit.words
    wanted = visit.query.get("span", "day")
    span: Span = next((one for one in SPANS if one == wanted), "day")
    settings = visit.server.settings
    version = next((one for one, _ in listing.versions if one.tag == listing.champion), None)
    with visit.server.records() as database:
        name = listing.name
        trend = RECENT(("trend", name, span), lambda: _TRENDS.trend(database, name, span))
        rows = history(database, listing.name, limit=3)
        drift_rows = history(database, listing.name, "drift", limit=_REPORTS)
        accuracy_rows = history(database, listing.name, "accuracy", limit=_REPORTS)
        waiting = RECENT(("open", name), lambda: open_labels(database, name))
        report = newest(rows, words)
        fresh = unseen = 0
        if version is not None:
            since = version.manifest.created_at
            fresh = RECENT(("fresh", name, since), lambda: labelled_since(database, name, since))
        if report is not None:
            looked = report.at
            unseen = RECENT(
                ("unseen", name, looked),
                lambda: labelled_since(database, name, looked),
                _UNSEEN_SECONDS,
            )
    starts = [one.start for one in trend.steps]
    found, drifts = accuracies(accuracy_rows), changes(drift_rows)
    classes = _most_predicted(trend.steps)
    quantiles = [
        [_milliseconds(one.quantile(share)) for one in trend.steps] for share in (0.5, 0.95)
    ]
    requests = sum(one.requests for one in trend.steps)
    errors = sum(one.errors for one in trend.steps)
    job = jobs.last(settings, "look", listing.name)
    training = jobs.last(settings, "train", listing.name)
    return Page(
        "watch.html",
        {
            "listing": listing,
            "report": report,
            "states": STATES,
            "age": _age(visit, report.at) if report else "",
            "steps": steps(visit, listing, report, waiting, fresh, unseen),
            "span": span,
            "spans": [(name, words(title)) for name, title in SPANS.items()],
            "missing": trend.missing,
            "requests": requests,
            "errors": errors,
            "labels": sum(one.labels for one in trend.steps),
            "traffic_plot": bars(
                words,
                words("Requests, and in red those that failed"),
                starts,
                [one.requests for one in trend.steps],
                [one.errors for one in trend.steps],
            ),
            "latency_plot": lines(
                words, words("Milliseconds within which a request was answered"), starts, quantiles
            ),
            "labels_plot": bars(
                words, words("Labels"), starts, [one.labels for one in trend.steps]
            ),
            "accuracy_plot": whiskers(
                words,
                words("Accuracy with its interval, by report"),
                found,
                report.accuracy.get("reference") if report else None,
            )
            if found
            else None,
            "signs": len(VIEWS),
            "drift_plot": marks(
                words,
                words("Signs of a change, of {n}, by report", n=len(VIEWS)),
                drifts,
                len(VIEWS),
            )
            if drifts
            else None,
            "predicted_plot": _predicted_plot(words, trend.steps, classes) if classes else None,
            "predicted_classes": [_written(one) for one in classes],
            "shown": report.shown[:_SHOWN] if report else [],
            "small": version is not None and sees_tiny(version),
            "jobs": [one for one in (job, training) if one is not None and _is_news(one)],
            "sentence": jobs.sentence,
            "newest": listing.versions[-1][0].version,
            "can_begin": visit.may("operate") and jobs.possible(),
        },
    )


def _most_predicted(steps: Sequence[Step]) -> list[str]:
    """The classes of the whole time, at most as many as there are colors for."""
    total: Counter[str] = Counter()
    for one in steps:
        total.update(one.predicted)
    return [key for key, _ in total.most_common(_COLORS)]


def _written(key: str) -> str:
    """A label as people write it."""
    try:
        return str(text_label(key))
    except ValueError:
        return key


def _predicted_plot(words: Words, steps: Sequence[Step], classes: Sequence[str]) -> Markup:
    return stacks(
        words,
        words("Predicted classes, as shares"),
        [one.start for one in steps],
        [[one.predicted.get(key, 0) for one in steps] for key in classes],
        [one.statuses.get(200, 0) for one in steps],
    )


def begin(visit: Visit) -> Answer:
    """Have the monitor look, or a version trained, in a process of its own."""
    listing = visit.model
    if listing is None:
        raise NotHereError(404, "There is no such model.")
    if not jobs.possible():
        raise NotHereError(
            409, "This machine has no scikit-learn: run the command where models are trained."
        )
    kind = visit.form.get("begins", "")
    if kind == "look":
        jobs.begin(visit.server.settings, "look", listing.name, visit.who)
    elif kind == "train":
        jobs.begin(visit.server.settings, "train", listing.name, visit.who)
    else:
        raise NotHereError(400, "There is no such command.")
    return Redirect(link("watch", model=listing.name))


def _is_news(job: jobs.Job) -> bool:
    return job.running or (job.code is not None and time.time() - job.beat < _NEWS_SECONDS)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * min(seconds, _LONGEST)


def _age(visit: Visit, at: datetime) -> str:
    age = datetime.now(UTC) - at
    if age < timedelta(hours=1):
        minutes = max(1, round(age / timedelta(minutes=1)))
        return visit.words.count(minutes, "{n} minute ago", "{n} minutes ago")
    if age < timedelta(days=2):
        hours = round(age / timedelta(hours=1))
        return visit.words.count(hours, "{n} hour ago", "{n} hours ago")
    return visit.words.count(age.days, "{n} day ago", "{n} days ago")
