import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from errors import DatasetError
from images.spec import ImageSpec
from tests.train.reading.drafts import counts, fill, image, sides, table
from train.loading import load
from train.reading.sources import Reading, read_sources

GRAY = ImageSpec.parse("gray-8x8")


def photos(root: Path, folder: str = "images") -> Path:
    """0.png to 3.png in one folder."""
    return fill(root, folder, images=4)


def listed(*names: str, header: tuple[str, ...] = ("file", "label")) -> str:
    """Cats and dogs in turns."""
    return table(header, *((name, "cat" if row % 2 else "dog") for row, name in enumerate(names)))


FILES = tuple(f"{number}.png" for number in range(4))


@pytest.mark.parametrize(
    "header",
    [
        ("file", "label"),
        ("image", "class"),
        ("filename", "label"),
        ("path", "category"),
        ("Image Path", "Class Name"),
        ("file_name", "species"),
        ("photo", "what it is"),
    ],
)
def test_columns_are_found_by_name_and_content(tmp_path: Path, header: tuple[str, ...]) -> None:
    photos(tmp_path)
    (tmp_path / "labels.csv").write_text(listed(*FILES, header=header))
    listing = read_sources([tmp_path])
    assert counts(listing) == {"cat": 2, "dog": 2}
    assert repr(header[1]) in listing.notes[0]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_usual_separator(tmp_path: Path, separator: str) -> None:
    photos(tmp_path, ".")
    text = listed(*FILES).replace(",", separator)
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8-sig")
    assert counts(read_sources([tmp_path / "labels.csv"])) == {"cat": 2, "dog": 2}


def test_a_list_without_a_header(tmp_path: Path) -> None:
    photos(tmp_path, ".")
    (tmp_path / "labels.csv").write_text(table(*((name, name[0]) for name in FILES)))
    assert len(read_sources([tmp_path]).rows) == 4


@pytest.mark.parametrize(
    "name",
    ["images/{}.png", "{}", "{}.png", "/content/drive/photos/{}.png", "C:\\photos\\{}.png"],
)
def test_files_are_found_by_whatever_path_they_had(tmp_path: Path, name: str) -> None:
    photos(tmp_path)
    (tmp_path / "labels.csv").write_text(listed(*(name.format(number) for number in range(4))))
    listing = read_sources([tmp_path])
    assert [Path(row.where).name for row in listing.rows] == list(FILES)


def test_of_several_files_of_a_name_the_one_that_fits_is_taken(tmp_path: Path) -> None:
    fill(tmp_path, "data/a", "data/b", images=1)
    (tmp_path / "labels.csv").write_text(listed("a/0.png", "b/0.png", "0.png"))
    listing = read_sources([tmp_path])
    assert [row.where.split("/")[-2] for row in listing.rows] == ["a", "b"]
    assert "several files are named so" in listing.skipped[0].reason


def test_a_list_without_parts_is_of_the_images_to_train_on(tmp_path: Path) -> None:
    """As competitions have it, with names that the images to predict have, too."""
    fill(tmp_path, "train", "test", images=4)
    (tmp_path / "labels.csv").write_text(listed("0", "1", "2", "3", header=("id", "breed")))
    listing = read_sources([tmp_path])
    assert {Path(row.where).parent.name for row in listing.rows} == {"train"}
    assert counts(listing) == {"cat": 2, "dog": 2}


def test_an_image_with_several_rows_of_a_label_counts_once(tmp_path: Path) -> None:
    photos(tmp_path)
    (tmp_path / "boxes.csv").write_text(listed("0.png", "1.png", "0.png", "1.png", "2.png"))
    assert len(read_sources([tmp_path]).rows) == 3


def test_rows_without_a_label_or_a_file_are_told(tmp_path: Path) -> None:
    photos(tmp_path)
    rows = table(
        ("file", "label"), *zip(FILES, ["a", "b", "", "b"], strict=True), ("gone.png", "a")
    )
    (tmp_path / "labels.csv").write_text(rows)
    listing = read_sources([tmp_path])
    assert "1 of 5 rows of labels.csv have no label and are left out." in listing.notes
    assert [one.path for one in listing.skipped] == ["labels.csv, line 6 (gone.png)"]


def test_whole_numbers_are_labels_as_such(tmp_path: Path) -> None:
    photos(tmp_path)
    (tmp_path / "a.csv").write_text(
        table(("file", "label"), *zip(FILES, [0, 1, "2.0", 1], strict=True))
    )
    assert counts(read_sources([tmp_path / "a.csv"])) == {0: 1, 1: 2, 2: 1}


def test_a_column_may_say_what_is_held_out(tmp_path: Path) -> None:
    photos(tmp_path)
    rows = [
        (name, "ab"[place % 2], ("train", "test")[place // 2]) for place, name in enumerate(FILES)
    ]
    (tmp_path / "labels.csv").write_text(table(("file", "label", "split"), *rows))
    listing = read_sources([tmp_path])
    assert sides(listing) == {"train": 2, "holdout": 2}
    assert "labels.csv: 2 of 4 images are held out, as it says." in listing.notes


def test_a_list_for_each_part(tmp_path: Path) -> None:
    photos(tmp_path)
    (tmp_path / "train.csv").write_text(listed(*FILES[:2]))
    (tmp_path / "valid.csv").write_text(listed(*FILES[2:]))
    (tmp_path / "sample_submission.csv").write_text(listed(*FILES))
    assert sides(read_sources([tmp_path])) == {"train": 2, "holdout": 2}


def test_several_lists_that_are_no_parts_are_refused(tmp_path: Path) -> None:
    photos(tmp_path)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(listed(*FILES))
    with pytest.raises(DatasetError, match=r"several lists of labels \(a.csv, b.csv\): name one"):
        read_sources([tmp_path])


def test_a_column_for_each_class(tmp_path: Path) -> None:
    photos(tmp_path)
    rows = [(name[0], float(place % 2), float(1 - place % 2)) for place, name in enumerate(FILES)]
    (tmp_path / "truth.csv").write_text(table(("image", "MEL", "NV"), *rows))
    assert counts(read_sources([tmp_path])) == {"MEL": 2, "NV": 2}


def test_columns_can_be_named(tmp_path: Path) -> None:
    photos(tmp_path)
    rows = [(name, "thing", "ab"[place % 2]) for place, name in enumerate(FILES)]
    (tmp_path / "labels.csv").write_text(table(("file", "label", "kind"), *rows))
    assert counts(read_sources([tmp_path], Reading(label_column="kind"))) == {"a": 2, "b": 2}
    with pytest.raises(DatasetError, match="no column 'sort', which --label-column names; it has"):
        read_sources([tmp_path], Reading(label_column="sort"))


def test_columns_of_several_lists_can_be_named(tmp_path: Path) -> None:
    photos(tmp_path, ".")
    for name, files in (("train.csv", FILES[:2]), ("valid.csv", FILES[2:])):
        rows = [(file, "ab"[place % 2], "x", 1) for place, file in enumerate(files)]
        (tmp_path / name).write_text(table(("file", "kind", "thing", "weight"), *rows))
    # One that is no list of labels has not the column, and need not.
    (tmp_path / "colors.csv").write_text(table(("width", "height"), (8, 8)))
    listing = read_sources([tmp_path], Reading(label_column="kind"))
    assert counts(listing) == {"a": 2, "b": 2}
    assert sides(listing) == {"train": 2, "holdout": 2}
    with pytest.raises(DatasetError, match="name them with --image-column and --label-column"):
        read_sources([tmp_path])


def test_a_list_of_several_without_the_column_that_is_named_is_refused(tmp_path: Path) -> None:
    photos(tmp_path)
    (tmp_path / "train.csv").write_text(listed(*FILES[:2], header=("file", "kind")))
    (tmp_path / "valid.csv").write_text(listed(*FILES[2:]))
    with pytest.raises(DatasetError, match=r"valid\.csv has no column 'kind'"):
        read_sources([tmp_path], Reading(label_column="kind"))


def test_a_stray_table_beside_class_folders_is_stray(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog")
    (tmp_path / "index.csv").write_text(table(("file", "label"), ("cat/0.png", "cat")))
    (tmp_path / "sizes.csv").write_text(table(("width", "height"), (8, 8)))
    listing = read_sources([tmp_path])
    assert counts(listing) == {"cat": 2, "dog": 2}
    assert {Path(one.path).name for one in listing.skipped} == {"index.csv", "sizes.csv"}


def test_a_table_that_contradicts_the_folders_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "monday", "tuesday")
    rows = table(("file", "label"), ("monday/0.png", "cat"), ("tuesday/0.png", "dog"))
    (tmp_path / "labels.csv").write_text(rows)
    with pytest.raises(DatasetError, match="--layout classes to go by the folders, or"):
        read_sources([tmp_path])
    by_table = read_sources([tmp_path], Reading(layout="table"))
    assert counts(by_table) == {"cat": 1, "dog": 1}
    assert counts(read_sources([tmp_path], Reading(layout="classes"))) == {
        "monday": 2,
        "tuesday": 2,
    }


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "list.json", "map.json"])
def test_other_forms_of_tables(tmp_path: Path, name: str) -> None:
    photos(tmp_path, "train")
    rows = [{"file_name": file, "label": "ab"[place % 2]} for place, file in enumerate(FILES)]
    text = {
        "metadata.csv": table(("file_name", "label"), *(tuple(row.values()) for row in rows)),
        "metadata.jsonl": "\n".join(map(json.dumps, rows)),
        "list.json": json.dumps(rows),
        "map.json": json.dumps({row["file_name"]: row["label"] for row in rows}),
    }[name]
    (tmp_path / "train" / name).write_text(text)
    assert counts(read_sources([tmp_path])) == {"a": 2, "b": 2}


def test_image_folders_of_hugging_face_with_parts(tmp_path: Path) -> None:
    for part in ("train", "test"):
        photos(tmp_path, part)
        rows = (json.dumps({"file_name": name, "label": name[0]}) for name in FILES)
        (tmp_path / part / "metadata.jsonl").write_text("\n".join(rows))
    listing = read_sources([tmp_path])
    assert sides(listing) == {"train": 4, "holdout": 4}


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    photos(tmp_path, ".")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "0.png", "label": "a"}\n{oops\n')
    with pytest.raises(DatasetError, match=r"Line 2 of .*metadata.jsonl is not a JSON object"):
        read_sources([tmp_path])


def test_several_labels_of_an_image_are_no_label(tmp_path: Path) -> None:
    photos(tmp_path, ".")
    rows = [{"file": name, "label": ["a", "b"]} for name in FILES]
    (tmp_path / "list.json").write_text(json.dumps(rows))
    with pytest.raises(DatasetError, match="several labels, but only one per image is supported"):
        read_sources([tmp_path])


def exported(path: Path, count: int = 6) -> Path:
    """As ``python -m records export`` writes it: images as bytes, some without a label."""
    columns = {
        "id": range(count),
        "prediction": [7] * count,
        "label": [None if place == count - 1 else place % 2 for place in range(count)],
        "labels": ["{}"] * count,
        "image": [None if place == 2 else image(place) for place in range(count)],
        "writer": [f"w{place % 3}" for place in range(count)],
    }
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_with_images_and_labels(tmp_path: Path) -> None:
    listing = read_sources([exported(tmp_path / "records.parquet", 8)])
    dataset = load(listing, GRAY)
    assert dataset.labels == (0, 1)
    assert dataset.counts == {"0": 3, "1": 3}
    assert "1 of 8 rows of records.parquet have no label and are left out." in dataset.notes
    assert [one.reason for one in dataset.skipped] == ["it has no image"]
    expected = load(read_sources([exported(tmp_path / "again.parquet", 8)]), GRAY)
    assert dataset.sha256 == expected.sha256


def test_parquet_of_hugging_face_has_names_and_parts(tmp_path: Path) -> None:
    features = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    (tmp_path / "data").mkdir()
    for part in ("train", "test"):
        images = [{"bytes": image(place), "path": f"{place}.png"} for place in range(4)]
        rows = pa.table({"image": images, "label": [0, 1, 0, 1]})
        rows = rows.replace_schema_metadata({"huggingface": json.dumps(features)})
        pq.write_table(rows, tmp_path / "data" / f"{part}-00000-of-00001.parquet")
    listing = read_sources([tmp_path])
    assert counts(listing) == {"cat": 4, "dog": 4}
    assert sides(listing) == {"train": 4, "holdout": 4}


def test_several_sources_are_one_after_the_other(tmp_path: Path) -> None:
    fill(tmp_path / "folder", "0", "1")
    listing = read_sources([exported(tmp_path / "records.parquet"), tmp_path / "folder"])
    assert counts(listing) == {"0": 5, "1": 4}
    assert len(list(listing.images)) == len(listing.rows)


def test_groups_are_a_column(tmp_path: Path) -> None:
    listing = read_sources([exported(tmp_path / "records.parquet")], Reading(groups="writer"))
    assert [row.group for row in listing.rows] == ["w0", "w1", "w2", "w0", "w1"]


def test_groups_are_a_column_of_the_list_of_a_lone_training_part(tmp_path: Path) -> None:
    photos(tmp_path, "train")
    rows = [(name, "ab"[place % 2], f"p{place // 2}") for place, name in enumerate(FILES)]
    (tmp_path / "train" / "labels.csv").write_text(table(("file", "label", "person"), *rows))
    listing = read_sources([tmp_path], Reading(groups="person"))
    assert [row.group for row in listing.rows] == ["p0", "p0", "p1", "p1"]
    assert sides(listing) == {None: 4}


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [("^([^.]+)", {"0", "1"}), (r"\d", {"0", "1"}), ("^([a-z])/", {"a", "b"})],
)
def test_groups_are_found_in_names(tmp_path: Path, pattern: str, groups: set[str]) -> None:
    listing = read_sources([fill(tmp_path, "a", "b")], Reading(groups=pattern))
    assert {row.group for row in listing.rows} == groups


@pytest.mark.parametrize(
    ("pattern", "sentence"), [("font", "finds nothing in"), ("(", "nor a regular|neither a column")]
)
def test_groups_that_are_not_there(tmp_path: Path, pattern: str, sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        read_sources([fill(tmp_path, "a", "b")], Reading(groups=pattern))


@pytest.mark.parametrize("name", ["data.tar.gz", "one.png", "table.csv"])
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x,y\n1,2\n")
    with pytest.raises(DatasetError, match=r"unpack|single image|--label-column"):
        read_sources([tmp_path / name])
