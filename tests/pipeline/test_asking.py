"""Which labels are asked for."""

from datetime import timedelta

from monitor.asking import ask_named, ask_random
from monitor.window.version import MonitoredVersion
from records.labelled import open_requests
from tests.monitor.production import inspected, keep, turned
from tests.pipeline.conftest import NOW, Place


def test_as_many_a_week_however_often_it_runs(place: Place) -> None:
    place.serve(place.some(0, 60)[0])
    assert ask_random(place.database, place.champion, 40, NOW).new == 6
    assert ask_random(place.database, place.champion, 40, NOW).new == 0
    for day in range(1, 6):
        # What is asked for has the present time, so that another day has none yet.
        asked = ask_random(place.database, place.champion, 40, NOW + timedelta(days=day, hours=1))
        assert (asked.new, asked.before) == (6, 6 * day)
    last = ask_random(place.database, place.champion, 40, NOW + timedelta(days=6, hours=1))
    assert (last.new, last.before) == (4, 36)
    assert len(open_requests(place.database, "clf")) == 40


def test_what_came_a_week_ago_is_not_asked_for(place: Place) -> None:
    place.serve(place.some(0, 60)[0], at=NOW - timedelta(days=8))
    assert ask_random(place.database, place.champion, 40, NOW).new == 0


def test_fewer_than_wanted_are_all_asked_for(place: Place) -> None:
    place.serve(place.some(0, 10)[0])
    assert ask_random(place.database, place.champion, 700, NOW).new == 10
    assert ask_random(place.database, place.champion, 700, NOW).new == 0


def test_an_alarm_asks_for_what_the_monitor_names(place: Place) -> None:
    monitored = MonitoredVersion.of(place.champion)
    keep(place.database, place.champion, place.some(0, 120)[0], prefix="calm")
    calm = ask_named(place.database, inspected(place.database, monitored), 100)
    assert (calm.new, calm.reason) == (0, "no alarm")
    keep(place.database, place.champion, turned(place.some(120, 120)[0]), prefix="turned",
         at=inspected(place.database, monitored).end + timedelta(hours=1))  # fmt: skip
    findings = inspected(place.database, monitored, 1)
    few = ask_named(place.database, findings, 1)
    assert (few.new, few.before) == (1, 0)
    asked = ask_named(place.database, findings, 200)
    assert asked.new == len(findings.harm.label_first) - 1 > 0
    assert "a drop in accuracy is suspected" in asked.reason
    assert {one.drawn for one in open_requests(place.database, "clf")} == {"monitor"}
    assert ask_named(place.database, findings, 200).new == 0
