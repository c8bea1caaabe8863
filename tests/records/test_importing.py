import os
import sqlite3
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sqlalchemy import text

from errors import RecordsError
from images.formats import ANY_FORMAT
from records.database import Database
from records.exporting import export
from records.importing import Imported, import_samples
from records.prediction import Label
from records.sources import from_path, from_query
from records.windows import Record, window


def encoded(shade: int, kind: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new("L", (8, 8), shade).save(file, kind)
    return file.getvalue()


def imported(database: Database) -> list[Record]:
    return window(database, "clf", origins=["import"])


def labels(database: Database) -> dict[bytes | None, Label | None]:
    return {one.image: one.truth for one in imported(database)}


def import_path(
    database: Database, path: Path, *, model: str = "clf", integers: bool = False
) -> Imported:
    return import_samples(database, from_path(path, "image", "label"), model, integers=integers)


def draw(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_folder_has_a_class_in_every_sub_folder(database: Database, tmp_path: Path) -> None:
    draw(tmp_path, "in/cat/1.png", encoded(1))
    draw(tmp_path, "in/dog/1.jpg", encoded(2, "JPEG"))
    draw(tmp_path, "in/dog/.DS_Store", b"no matter")
    draw(tmp_path, "in/.git/x.png", encoded(3))
    assert import_path(database, tmp_path / "in") == Imported(2, 0, 0, ())
    assert labels(database) == {encoded(1): "cat", encoded(2, "JPEG"): "dog"}
    (first, _) = imported(database)
    assert (first.label, first.weight, first.labels) == (None, None, (("import", "cat"),))


def test_what_other_programs_left_behind_is_no_class(database: Database, tmp_path: Path) -> None:
    draw(tmp_path, "in/cat/1.png", encoded(1))
    draw(tmp_path, "in/__MACOSX/1.png", encoded(2))
    assert import_path(database, tmp_path / "in") == Imported(1, 0, 0, ())


def test_parts_of_a_dataset_are_no_classes(database: Database, tmp_path: Path) -> None:
    draw(tmp_path, "in/test/cat/1.png", encoded(1))
    draw(tmp_path, "in/train/cat/2.png", encoded(2))
    with pytest.raises(RecordsError, match=r"name them one by one, such as .*/in/test\.$"):
        import_path(database, tmp_path / "in")
    assert import_path(database, tmp_path / "in" / "train") == Imported(1, 0, 0, ())


def test_the_same_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    draw(tmp_path, "in/cat/1.png", encoded(1))
    import_path(database, tmp_path / "in")
    draw(tmp_path, "in/cat/another name.png", encoded(1))
    assert import_path(database, tmp_path / "in") == Imported(0, 2, 0, ())
    assert import_path(database, tmp_path / "in", model="other") == Imported(1, 1, 0, ())
    assert len(imported(database)) == 1


def test_another_label_later_is_a_correction(database: Database, tmp_path: Path) -> None:
    draw(tmp_path, "in/cat/1.png", encoded(1))
    import_path(database, tmp_path / "in")
    (tmp_path / "in" / "cat").rename(tmp_path / "in" / "dog")
    assert import_path(database, tmp_path / "in") == Imported(0, 0, 1, ())
    assert labels(database) == {encoded(1): "dog"}


def test_faulty_samples_are_listed_and_skipped(database: Database, tmp_path: Path) -> None:
    draw(tmp_path, "in/cat/1.png", encoded(1))
    draw(tmp_path, "in/cat/2.png", b"")
    draw(tmp_path, "in/cat/3.png", encoded(3)[:30])
    draw(tmp_path, "in/cat/4.svg", b"<svg/>")
    draw(tmp_path, "in/dog/1.png", encoded(1))
    done = import_path(database, tmp_path / "in")
    assert (done.added, len(imported(database))) == (1, 1)
    assert [(fault.where, fault.reason) for fault in done.faults] == [
        ("cat/2.png", "it has no image"),
        ("cat/3.png", "the image is truncated"),
        ("cat/4.svg", f"it is an SVG, not {ANY_FORMAT}"),
        ("dog/1.png", "the same image also has the label 'cat'"),
    ]


def write_csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    return path


def test_a_csv_names_files_from_its_own_folder(database: Database, tmp_path: Path) -> None:
    draw(tmp_path, 'a, "b".png', encoded(1))
    draw(tmp_path, "é/2.png", encoded(2))
    path = write_csv(
        tmp_path / "list.csv",
        "label,image",
        '8,"a, ""b"".png"',
        "3,é/2.png",
        "3,absent.png",
        "3,",
        ",é/2.png",
        "3",
    )
    done = import_path(database, path, integers=True)
    assert labels(database) == {encoded(1): 8, encoded(2): 3}
    assert [(fault.where, fault.reason) for fault in done.faults] == [
        ("line 4", "its file cannot be read: No such file or directory"),
        ("line 5", "it has no image"),
        ("line 6", "it has no label"),
        ("line 7", "it has no image"),
    ]


def test_labels_are_strings_unless_integers_are_asked_for(
    database: Database, tmp_path: Path
) -> None:
    draw(tmp_path, "in/08/1.png", encoded(1))
    draw(tmp_path, "in/eight/1.png", encoded(2))
    import_path(database, tmp_path / "in")
    assert labels(database) == {encoded(1): "08", encoded(2): "eight"}
    done = import_path(database, tmp_path / "in", integers=True)
    assert labels(database)[encoded(1)] == 8
    assert [fault.reason for fault in done.faults] == ["its label 'eight' is not an integer"]


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def test_labels_are_kept_in_form_c(database: Database, tmp_path: Path) -> None:
    draw(tmp_path, f"in/{DECOMPOSED}/1.png", encoded(1))
    assert import_path(database, tmp_path / "in").added == 1
    assert labels(database) == {encoded(1): COMPOSED}
    draw(tmp_path, "1.png", encoded(1))
    again = write_csv(tmp_path / "list.csv", "image,label", f"1.png,{COMPOSED}")
    assert import_path(database, again).unchanged == 1


def test_two_folders_that_are_one_in_form_c_are_refused(tmp_path: Path, database: Database) -> None:
    for name in (COMPOSED, DECOMPOSED):
        draw(tmp_path, f"in/{name}/1.png", encoded(1))
    with pytest.raises(RecordsError, match="have the same name in Unicode's form C: merge them"):
        import_path(database, tmp_path / "in")


def test_integral_floats_are_integers(database: Database, tmp_path: Path) -> None:
    """As a spreadsheet or pandas writes a column of integers with a gap."""
    for number in (1, 2, 3):
        draw(tmp_path, f"{number}.png", encoded(number))
    table = {"image": ["1.png", "2.png", "3.png"], "label": [8.0, float("nan"), 8.5]}
    pq.write_table(pa.table(table), tmp_path / "in.parquet")
    done = import_path(database, tmp_path / "in.parquet")
    assert labels(database) == {encoded(1): 8}
    assert [fault.reason for fault in done.faults] == [
        "it has no label",
        "its label 8.5 is not an integer or a string",
    ]
    path = write_csv(tmp_path / "list.csv", "image,label", "2.png,3.0", "3.png,3.5")
    done = import_path(database, path, integers=True)
    assert labels(database)[encoded(2)] == 3
    assert [fault.reason for fault in done.faults] == ["its label '3.5' is not an integer"]


@pytest.mark.parametrize(
    "images",
    [
        pa.array([encoded(1), None], pa.binary()),
        pa.array([{"bytes": encoded(1), "path": "1.png"}, {"bytes": None, "path": None}]),
        pa.array([{"bytes": None, "path": "1.png"}, None]),
        pa.array(["1.png", ""]),
    ],
    ids=["bytes", "structs", "structs of names", "names"],
)
def test_a_parquet_file(database: Database, tmp_path: Path, images: pa.Array) -> None:
    draw(tmp_path, "1.png", encoded(1))
    pq.write_table(pa.table({"image": images, "label": [8, 3]}), tmp_path / "in.parquet")
    done = import_path(database, tmp_path / "in.parquet")
    assert labels(database) == {encoded(1): 8}
    assert [fault.where for fault in done.faults] == ["row 2"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_every_format_of_the_server_is_imported(
    database: Database, tmp_path: Path, kind: str
) -> None:
    draw(tmp_path, "in/cat/1", encoded(1, kind))
    assert import_path(database, tmp_path / "in") == Imported(1, 0, 0, ())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_an_image_that_ends_early_is_skipped(database: Database, tmp_path: Path, kind: str) -> None:
    noise = Image.effect_noise((64, 64), 50)
    file = BytesIO()
    noise.save(file, kind)
    draw(tmp_path, "in/cat/1", file.getvalue()[: len(file.getvalue()) * 2 // 3])
    (fault,) = import_path(database, tmp_path / "in").faults
    assert fault.reason == "the image is truncated"


def test_an_image_with_too_many_pixels_is_skipped(database: Database, tmp_path: Path) -> None:
    draw(tmp_path, "in/cat/1.png", encoded(1))
    samples = from_path(tmp_path / "in", "image", "label")
    (fault,) = import_samples(database, samples, "clf", max_pixels=63).faults
    assert fault.reason == "it has 8x8 pixels; the limit is 63"


def test_what_was_exported_can_be_imported(database: Database, tmp_path: Path) -> None:
    draw(tmp_path, "in/cat/1.png", encoded(1))
    import_path(database, tmp_path / "in")
    export(database, tmp_path / "out.parquet")
    samples = from_path(tmp_path / "out.parquet", "image", "label")
    assert import_samples(database, samples, "copy").added == 1


def test_a_query(database: Database, tmp_path: Path) -> None:
    url = database.url.render_as_string(hide_password=False)
    binary = "blob" if database.dialect == "sqlite" else "bytea"
    with database.writing() as connection:
        connection.execute(text(f"CREATE TABLE mine (content {binary}, said text)"))
        for shade in range(100):
            connection.execute(
                text("INSERT INTO mine VALUES (:content, :said)"),
                {"content": encoded(shade), "said": f"{shade}%:x"},
            )
    query = (
        "SELECT content AS image, said AS what FROM mine WHERE said LIKE '%:x' AND said <> '7%:x'"
    )
    samples = from_query(url.replace("+psycopg", ""), query, "image", "what")
    assert import_samples(database, samples, "clf").added == 99
    assert labels(database)[encoded(12)] == "12%:x"


def test_a_query_of_another_file_leaves_it_as_it_is(database: Database, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "theirs.db") as theirs:
        theirs.execute("CREATE TABLE t (image blob, label integer)")
        theirs.execute("INSERT INTO t VALUES (?, 8), (NULL, NULL)", [encoded(1)])
    theirs.close()
    before = (tmp_path / "theirs.db").read_bytes()
    url = f"sqlite:///{tmp_path}/theirs.db"
    done = import_samples(database, from_query(url, "SELECT * FROM t", "image", "label"), "clf")
    assert (done.added, len(done.faults)) == (1, 1)
    assert (tmp_path / "theirs.db").read_bytes() == before


@pytest.mark.parametrize(
    ("url", "query", "why"),
    [
        ("no url", "SELECT 1", "The URL to import from is not valid"),
        ("sqlite:////nowhere/at/all.db", "SELECT 1", "There is no SQLite database at"),
        ("oracle://u:s3cr3t@h/n", "SELECT 1", "No driver for 'oracle' is installed"),
        ("postgresql://u:s3cr3t@127.0.0.1:1/n", "SELECT 1", "cannot be used"),
        ("sqlite:///{file}", "SELECT 1 AS image", "The query has no column 'label'"),
        ("sqlite:///{file}", "SELEC", "syntax error"),
        ("sqlite:///{file}", "CREATE TABLE x (y)", "The query would change its database"),
        ("sqlite:///{file}", "PRAGMA user_version = 0", "The query would change its database"),
        ("sqlite:///{file}", "ATTACH ':memory:' AS x", "The query returns no rows"),
    ],
)
def test_an_invalid_query_is_reported(tmp_path: Path, url: str, query: str, why: str) -> None:
    sqlite3.connect(tmp_path / "theirs.db").close()
    (tmp_path / "theirs.db").touch()
    with pytest.raises(RecordsError) as caught:
        list(from_query(url.format(file=tmp_path / "theirs.db"), query, "image", "label"))
    assert why in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_invalid_sources_are_reported(tmp_path: Path) -> None:
    draw(tmp_path, "empty/x.png", encoded(1))
    draw(tmp_path, "latin.csv", "image,label\né,é".encode("latin-1"))
    draw(tmp_path, "not.parquet", b"no Parquet")
    write_csv(tmp_path / "columns.csv", "a,b")
    for name, why in {
        "absent": "is not a folder, a .csv or a .parquet file",
        "empty": "has no subfolders",
        "absent.csv": "cannot be read as CSV",
        "not.parquet": "cannot be read as Parquet",
        "columns.csv": "has no column 'image'; it has: a, b.",
        "latin.csv": "cannot be read as CSV in UTF-8",
    }.items():
        with pytest.raises(RecordsError, match=why):
            list(from_path(tmp_path / name, "image", "label"))


def test_a_query_changes_nothing(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False).replace("+psycopg", "")
    query = "DELETE FROM traffic RETURNING 1 AS image, 2 AS label"
    if database.dialect == "postgresql":
        query = "SELECT nextval(pg_get_serial_sequence('labels', 'id')) AS image, 2 AS label"
    for one in (query, "DROP TABLE images"):
        with pytest.raises(
            RecordsError, match=r"would change its database: it must be a SELECT|syntax error"
        ):
            list(from_query(url, one, "image", "label"))
    database.check()
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM images")).scalar_one() == 0


@pytest.mark.parametrize("name", ["/dev/zero", "pipe", "large"])
def test_endless_files_are_not_read(database: Database, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    draw(tmp_path, "large", b"")
    os.truncate(tmp_path / "large", 10**12)
    draw(tmp_path, "in.csv", f"image,label\n{name},8\n".encode())
    (fault,) = import_path(database, tmp_path / "in.csv").faults
    assert fault.where == "line 2"
    assert fault.reason in {
        "its file cannot be read: it is not a regular file",
        "its file has 1,000,000,000,000 bytes; the limit is 67,108,864",
    }


def test_a_label_that_no_client_could_send_is_skipped(database: Database, tmp_path: Path) -> None:
    draw(tmp_path, "1.png", encoded(1))
    draw(tmp_path, "in.csv", b"image,label\n1.png," + b"x" * 257)
    (fault,) = import_path(database, tmp_path / "in.csv").faults
    assert fault.reason == "its label has 257 characters; the limit is 256"


def test_an_unreadable_class_is_reported(tmp_path: Path) -> None:
    for one in ("in/cat", "in/dog"):
        draw(tmp_path, f"{one}/1.png", encoded(1))
    found = from_path(tmp_path / "in", "image", "label")
    next(found)
    (tmp_path / "in" / "dog").rename(tmp_path / "away")
    with pytest.raises(RecordsError, match="in/dog cannot be read: No such file or directory"):
        list(found)


def test_an_invalid_path_is_reported() -> None:
    with pytest.raises(RecordsError, match="cannot be read: File name too long"):
        from_path(Path("a" * 300), "image", "label")
