"""What workers see of one another, by two of them in one process."""

from pathlib import Path

from serving.sharing import mapped, place


def test_what_one_writes_all_see(tmp_path: Path) -> None:
    first = mapped(tmp_path / "file", 8)
    assert first[:] == bytes(8)
    first[3] = 7
    assert mapped(tmp_path / "file", 8)[:] == bytes((0, 0, 0, 7, 0, 0, 0, 0))


def test_there_is_no_place_outside_of_a_server() -> None:
    assert place() is None
