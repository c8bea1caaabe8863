import errno
from pathlib import Path

import pytest

from models.staging import Staging


def test_a_full_disk_is_that_of_the_store(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="No space left") as raised,
        Staging(tmp_path / "models").folder(),
        Path("/dev/full").open("w", buffering=1) as full,
    ):
        full.write("a line\n")
    assert raised.value.errno == errno.ENOSPC
    assert raised.value.filename == str(tmp_path)
    assert not any((tmp_path / "pupila-staging").iterdir())
