"""A server of its own, with the limits that users get."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server, serve


@pytest.fixture(scope="session")
def target(home: Path) -> Iterator[Server]:
    with serve(home, access_log_rate=0) as running:
        yield running
