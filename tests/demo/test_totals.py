"""The figures, and what was promised."""

import json

import pytest

from demo.event import Event
from demo.ledger import Ledger
from demo.totals import Promise, totals
from demo.view import View
from tests.demo.views import BEGAN, answer, told


def broken(view: View) -> list[Promise]:
    return [one for one in totals(view, 90).promises if not one.kept]


def test_figures_of_a_demo_that_went_well() -> None:
    found = totals(told(), 90)
    assert found.kept
    assert (found.before, found.worst, found.after) == (1.0, 0.5, 0.95)
    assert found.recovered == pytest.approx(0.9)
    assert found.line() == (
        "800 requests in 90 s, 360 labels; accuracy 100.0%, 50.0% at its worst, 95.0% after the "
        "promotion: 90% of the loss recovered; 0 answers of the bad version; failed requests: 0"
    )
    assert json.loads(found.json())["recovered"] == pytest.approx(0.9)


def test_one_failed_request_breaks_a_promise() -> None:
    view = told()
    view.ledger.add([answer(800, right=True, status=503)])
    assert [one.text for one in broken(view)] == ["failed requests: 1"]


def test_too_little_recovered_breaks_a_promise() -> None:
    view = told()
    view.ledger.add(answer(number, right=False) for number in range(800, 875))
    assert [one.text.partition(" of")[0] for one in broken(view)] == ["52%"]


def test_a_demo_that_was_never_told_keeps_only_what_nothing_could_break() -> None:
    view = View(BEGAN, Ledger())
    assert [one.kept for one in totals(view, 1).promises] == [False, False, False, True]


def test_answers_of_the_bad_version_are_counted() -> None:
    view = told()
    view.ledger.add([answer(800, right=True, version="ccc")])
    assert totals(view, 90).harmed == 1


def test_without_a_rollback_a_promise_is_broken() -> None:
    view = told()
    view.events = [Event(e.at, e.kind, e.text, e.mark) for e in view.events if e.mark[:1] != "r"]
    assert [one.text for one in broken(view)] == ["the guard rolled the bad version back"]
