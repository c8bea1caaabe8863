import logging
from typing import Any

import pytest

from errors import InternalError, OverloadedError
from serving.access import AccessLog
from settings import Settings

QUIET = Settings(access_log_rate=0)


def about(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(line)["fields"] for line in caplog.records]


def test_a_failure_is_always_logged_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    error = InternalError("It failed.")
    error.__cause__ = OSError("the disk is gone")
    trace = AccessLog(QUIET).log("/predict/", "7", "clf:abc", 500, 0.25, error)
    (line,) = caplog.records
    (fields,) = about(caplog)
    assert (line.levelno, line.exc_info) == (logging.ERROR, None)
    assert fields["error"] == "the disk is gone"
    assert (fields["model"], fields["version"], fields["request_id"]) == ("clf", "abc", "7")
    assert fields["seconds"] == 0.25
    assert fields["trace_id"] == trace


def test_when_all_fail_some_are_logged_and_the_others_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = AccessLog(QUIET)
    error = OverloadedError("Full.", "capacity")
    traces = [log.log("/predict/", None, None, 503, 0.0, error) for _ in range(5000)]
    logged = len(caplog.records)
    assert 100 <= logged < 2000
    assert sum(trace is not None for trace in traces) == logged
    omitted = sum(fields["omitted"] or 0 for fields in about(caplog))
    assert omitted + logged + log.omitted == 5000
    assert {line.levelno for line in caplog.records} == {logging.WARNING}


def test_trace_ids_are_made_here_and_differ(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pupila.access")
    log = AccessLog(Settings(access_log_rate=1))
    traces = [log.log("/predict/", "same", "clf:abc", 200, 0.0) for _ in range(3)]
    assert [fields["trace_id"] for fields in about(caplog)] == traces
    assert len(set(traces)) == 3
