"""Prometheus's own tool, which comes with Debian's package prometheus."""

import os
import shutil
import subprocess

import pytest


def promtool(*arguments: object, text: str | None = None) -> str:
    """What it prints; it must find no fault. The test is skipped where there is none, unless
    REQUIRE_PROMTOOL says that there must be."""
    program = shutil.which("promtool")
    if program is None:
        missing = "there is no promtool: apt-get install prometheus"
        if os.environ.get("REQUIRE_PROMTOOL") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    done = subprocess.run(
        [program, *map(str, arguments)], input=text, capture_output=True, text=True, check=False
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    return printed
