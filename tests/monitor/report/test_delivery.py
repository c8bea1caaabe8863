import os
from pathlib import Path

import pytest

from errors import MonitorError
from monitor.report.delivery import is_folder, write_file


def test_a_file_is_replaced(tmp_path: Path) -> None:
    for text in ("one", "é"):
        write_file(tmp_path / "out", text)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "é"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MonitorError, match="cannot be written: it is not a regular file"):
        write_file(tmp_path / "pipe", "")
    assert (tmp_path / "pipe").is_fifo()


def test_an_impossible_path_is_reported() -> None:
    for use in (is_folder, lambda path: write_file(path, "")):
        with pytest.raises(MonitorError, match="cannot be written: File name too long"):
            use(Path("a" * 300))
