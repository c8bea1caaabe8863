"""What is logged of a fault that lasts."""

import logging

import pytest

from serving.fault import Fault


def test_a_fault_is_logged_when_it_begins_changes_and_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fault = Fault(logging.getLogger("pupila.test"), "all is well again")
    for sentence in ("", "it is locked", "it is locked", "it is full", "", ""):
        fault.is_now(sentence)
    assert caplog.messages == ["it is locked", "it is full", "all is well again"]
