import os
from pathlib import Path

import numpy as np
import pytest

from errors import DatasetError
from images.decoding import read_pixels
from images.files import MAX_FILE_BYTES
from images.spec import ImageSpec
from tests.drawing import draw_folder, flat, png, two_classes
from train.folder import load_folder

GRAY = ImageSpec.parse("gray-8x8")


def one_sentence(error: pytest.ExceptionInfo[DatasetError], folder: Path) -> str:
    text = str(error.value)
    assert str(folder) in text
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_the_declared_sizes_are_kept_with_their_images(tmp_path: Path) -> None:
    folder = two_classes(tmp_path)
    (folder / "cat" / "1.png").write_bytes(b"no image")
    (folder / "dog" / "2.png").write_bytes(png(np.zeros((5, 30), np.uint8)))
    dataset = load_folder(folder, GRAY)
    assert dataset.sizes is not None
    assert dataset.sizes.tolist() == [[8, 8], [8, 8], [8, 8], [8, 8], [30, 5]]
    taken = dataset.take(np.array([4, 0])).sizes
    assert taken is not None
    assert taken.tolist() == [[30, 5], [8, 8]]


def test_folder_names_are_the_labels(tmp_path: Path) -> None:
    dataset = load_folder(two_classes(tmp_path / "pets"), GRAY)
    assert dataset.labels == ("cat", "dog")
    assert dataset.counts == {"cat": 3, "dog": 3}
    assert dataset.name == "pets"


def test_rows_are_what_serving_reads_in_the_order_of_names(tmp_path: Path) -> None:
    draw_folder(tmp_path, images=4)
    spec = ImageSpec.parse("rgb-32x32")
    dataset = load_folder(tmp_path, spec)
    files = sorted(tmp_path.rglob("*.png"))
    expected = np.stack([read_pixels(file.read_bytes(), spec) for file in files])
    assert np.array_equal(dataset.pixels[:], expected)
    assert dataset.targets.tolist() == [file.parent.name for file in files]


def test_images_are_found_below_their_class(tmp_path: Path) -> None:
    two_classes(tmp_path)
    (tmp_path / "cat" / "2024" / "june").mkdir(parents=True)
    (tmp_path / "cat" / "2024" / "june" / "x.png").write_bytes(flat())
    assert load_folder(tmp_path, GRAY).counts == {"cat": 4, "dog": 3}


def test_hidden_files_and_folders_are_ignored(tmp_path: Path) -> None:
    two_classes(tmp_path)
    for name in (".git", "cat/.thumbnails"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(flat())
    (tmp_path / "dog" / "._0.png").write_bytes(b"resource fork")
    dataset = load_folder(tmp_path, GRAY)
    assert dataset.counts == {"cat": 3, "dog": 3}
    assert dataset.skipped == ()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("truncated.png", flat()[:-30]),
        ("text.jpg", b"this is no image\n"),
        ("empty.png", b""),
        ("ünï cödé 猫.gif", b"GIF89a"),
    ],
)
def test_a_file_that_is_not_an_image_is_skipped_with_its_reason(
    tmp_path: Path, name: str, content: bytes
) -> None:
    two_classes(tmp_path)
    (tmp_path / "cat" / name).write_bytes(content)
    dataset = load_folder(tmp_path, GRAY)
    assert dataset.counts == {"cat": 3, "dog": 3}
    assert [Path(entry.path).name for entry in dataset.skipped] == [name]
    assert dataset.skipped[0].reason


def test_skipping_keeps_each_image_with_its_label(tmp_path: Path) -> None:
    two_classes(tmp_path)
    (tmp_path / "cat" / "1.png").write_bytes(b"")
    dataset = load_folder(tmp_path, GRAY)
    assert dataset.targets.tolist() == ["cat", "cat", "dog", "dog", "dog"]
    assert dataset.pixels[:, 0].tolist() == [0, 2, 0, 1, 2]


def test_a_pipe_is_skipped_and_not_waited_for(tmp_path: Path) -> None:
    two_classes(tmp_path)
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    assert load_folder(tmp_path, GRAY).skipped[0].reason == "it is not a regular file"


def test_a_huge_file_is_skipped_unread(tmp_path: Path) -> None:
    two_classes(tmp_path)
    with (tmp_path / "cat" / "huge.png").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert load_folder(tmp_path, GRAY).skipped[0].reason == "it is larger than 64 MiB"


def test_a_file_outside_of_the_classes_is_skipped(tmp_path: Path) -> None:
    two_classes(tmp_path)
    (tmp_path / "LICENSE").write_text("free")
    skipped = load_folder(tmp_path, GRAY).skipped
    assert [(Path(entry.path).name, entry.reason) for entry in skipped] == [
        ("LICENSE", "it is not in a class folder")
    ]


def test_links_do_not_form_a_cycle(tmp_path: Path) -> None:
    two_classes(tmp_path)
    (tmp_path / "cat" / "again").symlink_to(tmp_path / "cat")
    (tmp_path / "all").symlink_to(tmp_path)
    (tmp_path / "up").symlink_to(tmp_path.parent)
    (tmp_path / "dog" / "self.png").symlink_to("self.png")
    dataset = load_folder(tmp_path, GRAY)
    assert dataset.counts == {"cat": 3, "dog": 3}
    assert {Path(entry.path).name for entry in dataset.skipped} == {
        "again",
        "all",
        "up",
        "self.png",
    }


def test_a_class_folder_may_be_a_link(tmp_path: Path) -> None:
    two_classes(tmp_path / "data")
    (tmp_path / "elsewhere").mkdir()
    for number in range(2):
        (tmp_path / "elsewhere" / f"{number}.png").write_bytes(flat())
    (tmp_path / "data" / "owl").symlink_to(tmp_path / "elsewhere")
    assert load_folder(tmp_path / "data", GRAY).counts["owl"] == 2


def test_progress_ends_at_the_number_of_files(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    load_folder(two_classes(tmp_path), GRAY, lambda done, total: seen.append((done, total)))
    assert seen == [(done, 6) for done in range(7)]


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as error:
        load_folder(tmp_path / "nowhere", GRAY)
    assert "No such file or directory" in one_sentence(error, tmp_path / "nowhere")


def test_files_without_class_folders(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(flat())
    with pytest.raises(DatasetError) as error:
        load_folder(tmp_path, GRAY)
    assert "files but no class folders" in one_sentence(error, tmp_path)


def test_a_single_class(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    with pytest.raises(DatasetError) as error:
        load_folder(tmp_path, GRAY)
    assert "only the class folder cat" in one_sentence(error, tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as error:
        load_folder(tmp_path, GRAY)
    assert "contains nothing" in one_sentence(error, tmp_path)


def test_an_empty_class_is_left_out_and_named(tmp_path: Path) -> None:
    two_classes(tmp_path)
    (tmp_path / "owl").mkdir()
    dataset = load_folder(tmp_path, GRAY)
    assert dataset.labels == ("cat", "dog")
    assert dataset.notes == ("Left out: owl (no images in it).",)


def test_a_class_of_unread_formats(tmp_path: Path) -> None:
    two_classes(tmp_path)
    (tmp_path / "owl").mkdir()
    (tmp_path / "owl" / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(
        DatasetError, match=r"Class owl .* has no readable image.*--exclude"
    ) as error:
        load_folder(tmp_path, GRAY)
    assert "it is a HEIC" in one_sentence(error, tmp_path / "owl")


def test_a_class_of_one_image(tmp_path: Path) -> None:
    two_classes(tmp_path)
    (tmp_path / "owl").mkdir()
    (tmp_path / "owl" / "a.png").write_bytes(flat())
    (tmp_path / "owl" / "b.png").write_bytes(b"broken")
    with pytest.raises(DatasetError) as error:
        load_folder(tmp_path, GRAY)
    assert "Class owl" in str(error.value)
    assert "a single readable image" in one_sentence(error, tmp_path / "owl")


def test_a_class_name_must_be_utf8(tmp_path: Path) -> None:
    two_classes(tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).mkdir()
    with pytest.raises(DatasetError, match="not UTF-8"):
        load_folder(tmp_path, GRAY)


def test_more_pixels_than_the_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.loading.MAX_PIXEL_BYTES", 6 * 64 - 1)
    with pytest.raises(DatasetError) as error:
        load_folder(two_classes(tmp_path / "pets"), GRAY)
    assert "images in pets would take" in str(error.value)
    assert "choose a smaller image spec, or train on 5 of them at most." in str(error.value)


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def test_labels_are_in_form_c_whatever_the_folders_are_in(tmp_path: Path) -> None:
    folder = two_classes(tmp_path)
    (folder / "cat").rename(folder / DECOMPOSED)
    dataset = load_folder(folder, GRAY)
    assert dataset.labels == (COMPOSED, "dog")
    assert dataset.counts == {COMPOSED: 3, "dog": 3}


def test_two_folders_that_are_one_in_form_c_are_refused(tmp_path: Path) -> None:
    folder = two_classes(tmp_path)
    (folder / "cat").rename(folder / DECOMPOSED)
    (folder / "dog").rename(folder / COMPOSED)
    with pytest.raises(DatasetError, match="have the same name in Unicode's form C") as error:
        load_folder(folder, GRAY)
    assert r"'cafe\u0301' and 'caf\xe9'" in one_sentence(error, folder)


def test_only_files_smaller_than_their_pixels_come_along(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "shapes", images=3)
    spec = ImageSpec.parse("rgb-64x64")
    dataset = load_folder(folder, spec)
    sizes = [file.stat().st_size for file in sorted(folder.rglob("*.png"))]
    assert dataset.files is not None
    assert [file is not None for file in dataset.files] == [
        size < spec.n_features for size in sizes
    ]
    assert load_folder(folder, ImageSpec.parse("gray-8x8")).files == (None,) * len(dataset)
