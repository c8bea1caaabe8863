from pathlib import Path

import pytest

from errors import DatasetError
from tests.train.reading.drafts import counts, fill, sides
from train.reading.sources import Reading, read_sources

PETS = {"cat": 4, "dog": 4}


@pytest.mark.parametrize(
    ("train", "held"),
    [
        ("train", "test"),
        ("train", "val"),
        ("Training", "Testing"),
        ("TRAIN", "Validation"),
        ("train_set", "valid"),
        ("seg_train", "seg_test"),
        ("train2017", "val2017"),
        ("training_data", "dev"),
        ("Train", "eval"),
        ("entrenamiento", "validación"),
    ],
)
def test_parts_are_no_classes(tmp_path: Path, train: str, held: str) -> None:
    fill(tmp_path, *(f"{part}/{label}" for part in (train, held) for label in ("cat", "dog")))
    listing = read_sources([tmp_path])
    assert counts(listing) == PETS
    assert sides(listing) == {"train": 4, "holdout": 4}
    assert listing.notes == (f"Trained on {train}, and evaluated on {held}.",)


def test_both_validation_and_test_are_held_out(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{part}/{label}" for part in ("train", "val", "test") for label in "ab"))
    listing = read_sources([tmp_path])
    assert sides(listing) == {"train": 4, "holdout": 8}
    assert "evaluated on test and val" in listing.notes[0]


def test_classes_named_as_parts_are_classes(tmp_path: Path) -> None:
    listing = read_sources([fill(tmp_path, "bus", "car", "train")])
    assert counts(listing) == {"bus": 2, "car": 2, "train": 2}
    assert sides(listing) == {None: 6}


def test_a_class_of_trains_with_folders_is_ambiguous(tmp_path: Path) -> None:
    fill(tmp_path, "bus", "train/steam", "train/electric")
    with pytest.raises(DatasetError, match=rf"write --data {tmp_path}/train; .* --layout classes"):
        read_sources([tmp_path])
    listing = read_sources([tmp_path], Reading(layout="classes"))
    assert counts(listing) == {"bus": 2, "train": 4}


def test_one_can_insist_on_classes(tmp_path: Path) -> None:
    fill(tmp_path, "train/cat", "train/dog", "test/cat", "test/dog")
    assert counts(read_sources([tmp_path], Reading(layout="classes"))) == {"train": 4, "test": 4}


def test_one_can_insist_on_parts(tmp_path: Path) -> None:
    fill(tmp_path, "train/cat", "train/dog", "test/cat", "test/dog", "extra/cat", "extra/dog")
    listing = read_sources([tmp_path], Reading(layout="parts"))
    assert sides(listing) == {"train": 4, "holdout": 4}
    assert "Left out: extra (no labels in it)." in listing.notes


def test_images_without_labels_beside_the_training_part_are_left_out(tmp_path: Path) -> None:
    listing = read_sources([fill(tmp_path, "train/cat", "train/dog", "test")])
    assert counts(listing) == {"cat": 2, "dog": 2}
    assert sides(listing) == {None: 4}
    assert listing.notes == ("The classes are in train.", "Left out: test (no labels in it).")


def test_classes_may_be_some_folders_deeper(tmp_path: Path) -> None:
    parts = (f"images/{part}/{label}" for part in ("train", "val") for label in ("cat", "dog"))
    fill(tmp_path / "dataset", *parts)
    (tmp_path / "dataset" / "README.md").write_text("Cats and dogs.")
    listing = read_sources([tmp_path])
    assert counts(listing) == PETS
    assert sides(listing) == {"train": 4, "holdout": 4}
    assert any(str(tmp_path / "dataset" / "images") in note for note in listing.notes)


def test_parts_may_be_within_each_class(tmp_path: Path) -> None:
    fill(tmp_path, "cat/train", "cat/test", "dog/train", "dog/test")
    listing = read_sources([tmp_path])
    assert counts(listing) == PETS
    assert sides(listing) == {"train": 4, "holdout": 4}


def test_photos_may_be_sorted_by_year_within_a_class(tmp_path: Path) -> None:
    fill(tmp_path, "cat/2023", "cat/2024-06", "dog/2023", "dog/2024-06")
    assert counts(read_sources([tmp_path])) == PETS


def test_one_class_sorted_by_year_is_one_class(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="only the class folder cat"):
        read_sources([fill(tmp_path, "cat/2023", "cat/2024")])


def test_folders_that_all_hold_the_same_names_are_ambiguous(tmp_path: Path) -> None:
    fill(tmp_path, "north/cat", "north/dog", "south/cat", "south/dog")
    with pytest.raises(DatasetError, match="add --layout classes") as error:
        read_sources([tmp_path])
    assert f"--data {tmp_path}/north --data {tmp_path}/south" in str(error.value)
    together = read_sources([tmp_path / "north", tmp_path / "south"])
    assert counts(together) == PETS
    assert together.name == "north+south"
    assert counts(read_sources([tmp_path], Reading(layout="classes"))) == {"north": 4, "south": 4}


def test_what_other_programs_made_is_left_out_and_named(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog", "__MACOSX/cat", "cat/@eaDir", "dog/.ipynb_checkpoints")
    (tmp_path / "lost+found").mkdir(mode=0)
    (tmp_path / "cat" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "cat" / "._0.png").write_bytes(b"x")
    listing = read_sources([tmp_path])
    assert counts(listing) == {"cat": 2, "dog": 2}
    assert listing.skipped == ()
    (note,) = listing.notes
    for name in ("__MACOSX", "@eaDir", ".ipynb_checkpoints", "lost+found", "Thumbs.db"):
        assert name in note


def test_folders_without_images_are_left_out_and_named(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog")
    (tmp_path / "empty").mkdir()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "resize.py").write_text("pass")
    assert read_sources([tmp_path]).notes == ("Left out: empty, scripts (no images in it).",)


def test_images_are_known_by_their_content_where_the_suffix_says_nothing(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog")
    for file in (tmp_path / "cat").iterdir():
        file.rename(file.with_suffix(""))
    assert counts(read_sources([tmp_path])) == {"cat": 2, "dog": 2}


def test_exclusion_is_by_name_path_or_label(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog", "old_owl", "fox")
    reading = Reading(exclude=("old*", "cat/1.png", "fox/", "typo"))
    listing = read_sources([tmp_path], reading)
    assert counts(listing) == {"cat": 1, "dog": 2}
    assert listing.notes == ("--exclude typo met nothing.",)


def test_classes_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, "Cat", "dog", "cat")
    with pytest.raises(DatasetError, match=r"'Cat' and 'cat' .* upper and lower case"):
        read_sources([tmp_path])


def test_classes_of_parts_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, "train/cat", "train/dog", "test/Cat", "test/dog")
    with pytest.raises(DatasetError, match="upper and lower case"):
        read_sources([tmp_path])


def test_letters_are_told_apart_by_case(tmp_path: Path) -> None:
    assert counts(read_sources([fill(tmp_path, "A", "a")])) == {"A": 2, "a": 2}


def test_parts_may_write_a_class_in_other_forms_of_unicode(tmp_path: Path) -> None:
    fill(tmp_path, "train/caf\u00e9", "train/dog", "test/cafe\u0301", "test/dog")
    assert counts(read_sources([tmp_path])) == {"caf\u00e9": 4, "dog": 4}


@pytest.mark.parametrize(
    ("folders", "file", "sentence"),
    [
        (("images", "masks"), None, "as for segmentation"),
        (("images",), "labels/0.txt", "the form of YOLO"),
        (("images/train", "images/val"), "labels/train/0.txt", "the form of YOLO"),
        (("JPEGImages",), "Annotations/0.xml", "the form of Pascal VOC"),
        (("train", "test"), None, "are parts by their names"),
        ((".",), None, "files but no class folders"),
        (("cat",), None, "only the class folder cat"),
        ((), "data.zip", "unpack it"),
        ((), "labels.csv", "--image-column and --label-column"),
    ],
)
def test_what_has_no_label_for_each_image_is_refused_with_the_way_out(
    tmp_path: Path, folders: tuple[str, ...], file: str | None, sentence: str
) -> None:
    fill(tmp_path, *folders)
    if file is not None:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("0 0.5 0.5 1 1\n")
        for part in ("val",) if "/train/" in file else ():
            (tmp_path / "labels" / part).mkdir()
    with pytest.raises(DatasetError) as error:
        read_sources([tmp_path])
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_folders_without_end_are_read_to_a_depth(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog")
    deep = tmp_path / "cat" / "/".join("d" * 1 for _ in range(80))
    deep.mkdir(parents=True)
    assert "64 folders deep" in read_sources([tmp_path]).skipped[0].reason


def test_a_link_among_parts_is_followed_once(tmp_path: Path) -> None:
    fill(tmp_path, "data/train/cat", "data/train/dog", "elsewhere/cat", "elsewhere/dog")
    (tmp_path / "data" / "test").symlink_to(tmp_path / "elsewhere")
    assert sides(read_sources([tmp_path / "data"])) == {"train": 4, "holdout": 4}
