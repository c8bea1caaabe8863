import os
from pathlib import Path

import pytest

from errors import ImageError
from images.files import FOLDER_LINK, MAX_FILE_BYTES, path_text, read_image


def refusal(path: Path) -> str:
    with pytest.raises(ImageError) as error:
        read_image(path)
    return str(error.value)


def test_a_file_and_a_link_to_it_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_image(tmp_path / "file") == read_image(tmp_path / "link") == b"content"


def test_a_folder_is_refused_and_a_link_to_one_by_name(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert refusal(tmp_path) == "it is a folder"
    assert refusal(tmp_path / "link") == FOLDER_LINK


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == "it is not a regular file"


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert refusal(tmp_path / "huge") == "it is larger than 64 MiB"


@pytest.mark.parametrize(
    ("name", "reason"), [("nowhere", "No such file"), ("a\0b", "embedded null byte")]
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, name: str, reason: str
) -> None:
    assert refusal(tmp_path / name).startswith(f"it cannot be read: {reason}")


def test_a_path_of_any_bytes_becomes_text() -> None:
    assert path_text(os.fsdecode(b"a\xff")) == r"a\xff"
