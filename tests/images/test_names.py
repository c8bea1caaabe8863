from pathlib import Path

import pytest

from images.names import Part, is_date, is_debris, may_be_image, part_of


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", "train"),
        ("TRAINING", "train"),
        ("asl_alphabet_train", "train"),
        ("train-00000-of-00002", "train"),
        ("Validación", "val"),
        ("valid", "val"),
        ("dev", "val"),
        ("Evaluation", "val"),
        ("test2017", "test"),
        ("hold-out", None),
        ("holdout", "test"),
        ("cat", None),
        ("trainers", None),
        ("2024", None),
        ("", None),
    ],
)
def test_a_part_by_whatever_name(name: str, part: Part | None) -> None:
    assert part_of(name) == part


@pytest.mark.parametrize("name", ["__MACOSX", "@eaDir", "Thumbs.db", "$RECYCLE.BIN", "lost+found"])
def test_what_other_programs_leave_behind(name: str) -> None:
    assert is_debris(name)
    assert not is_debris(f"{name} of mine")


@pytest.mark.parametrize("name", ["2024", "2024-06", "1999_12_31", "june", "Dec"])
def test_dates(name: str) -> None:
    assert is_date(name)


@pytest.mark.parametrize("name", ["1", "12", "3000", "cat", "may flower"])
def test_no_dates(name: str) -> None:
    assert not is_date(name)


def test_images_by_suffix_or_by_content(tmp_path: Path) -> None:
    assert may_be_image(Path("a.JPG"))
    assert may_be_image(Path("a.heic"))
    assert not may_be_image(Path("a.txt"))
    (tmp_path / "photo").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "README").write_text("Photos of cats.")
    assert may_be_image(tmp_path / "photo")
    assert not may_be_image(tmp_path / "README")
    assert not may_be_image(tmp_path / "gone")
