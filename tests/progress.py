"""Tells what a run of the tests is doing: immediately, at each slow test, and when nothing ends.

Also prints, after the last test, the slowest files and what tests have measured: a time is printed
here, and never asserted, since a busy machine makes any time longer.
"""

import threading
import time
from collections import defaultdict

import pytest

SLOW_SECONDS = 5.0
SILENT_SECONDS = 20.0
SLOWEST_FILES = 5


class Progress:
    """A plugin of the process that prints; with pytest-xdist, others run the tests."""

    def __init__(self, config: pytest.Config, reporter: pytest.TerminalReporter) -> None:
        self._config = config
        self._reporter = reporter
        self._processes = len(config.getoption("tx", None) or [])
        self._started: dict[str, float] = {}
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._figures: list[tuple[str, object]] = []
        self._printed = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        if self._processes:
            self._say(f"Collecting the tests in {self._processes} processes ...")
            threading.Thread(target=self._watch, daemon=True).start()
        elif not self._config.option.collectonly:
            self._say("Collecting the tests ...")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._started[nodeid] = time.monotonic()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.when == "teardown":
            self._printed = time.monotonic()
            self._figures += [(name, value) for name, value in report.user_properties]
            if (seconds := self._seconds[report.nodeid]) >= SLOW_SECONDS:
                self._say(f"{seconds:6.1f} s  {report.nodeid}")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._started.pop(nodeid, None)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self._ended.set()

    def pytest_terminal_summary(self) -> None:
        files: defaultdict[str, float] = defaultdict(float)
        for nodeid, seconds in self._seconds.items():
            files[nodeid.partition("::")[0]] += seconds
        slowest = sorted(files.items(), key=lambda file: -file[1])[:SLOWEST_FILES]
        slow = [f"{name} {seconds:.0f} s" for name, seconds in slowest if seconds >= SLOW_SECONDS]
        if slow:
            self._say("Slowest files: " + ", ".join(slow))
        for name, value in self._figures:
            self._say(f"{name}: {value}")

    def _watch(self) -> None:
        while not self._ended.wait(1):
            now = time.monotonic()
            if now - self._printed < SILENT_SECONDS:
                continue
            running = sorted(self._started.copy().items(), key=lambda test: test[1])
            lines = [f"{now - since:6.0f} s so far: {nodeid}" for nodeid, since in running]
            waiting = "The processes are ending ..." if self._seconds else "Still collecting ..."
            self._say(*(lines or [waiting]))

    def _say(self, *lines: str) -> None:
        """On lines of their own, whatever dots stand on the current one."""
        with self._lock:
            writer = self._config.get_terminal_writer()
            if writer.width_of_current_line:
                writer.line()
            for line in lines:
                self._reporter.write_line(line)
            self._reporter.flush()
            self._printed = time.monotonic()
