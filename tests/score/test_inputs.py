import os
from pathlib import Path

import pyarrow as pa
import pytest

from errors import ScoreError
from images.spec import MAX_SIDE
from score.folder import FolderSource, walk
from score.inputs import open_input
from score.source import CHUNK_BYTES, Gap, chunks, load
from score.tables import ParquetSource
from tests.drawing import flat
from tests.score.scoring import folder, pictures, table


def paths(root: Path) -> list[str]:
    return [file.path for file in walk(root)]


def test_files_are_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b/1.png", "a.png", "a/z/2.png", "a/y.png", "c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert paths(tmp_path) == ["a/y.png", "a/z/2.png", "a.png", "b/1.png", "c.png"]


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    for name in (".git/x.png", ".DS_Store", "a.png"):
        (tmp_path / name).touch()
    assert paths(tmp_path) == ["a.png"]


def test_folders_may_be_deep(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 300)
    deep.mkdir(parents=True)
    (deep / "a.png").touch()
    assert paths(tmp_path) == ["d/" * 300 + "a.png"]


def test_links_in_a_cycle_are_rows_that_say_so(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert paths(tmp_path) == ["a/up", "self"]
    assert load(tmp_path / "a" / "up") == "it is a link to a folder, which is not followed"
    assert "cannot be read" in str(load(tmp_path / "self"))


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "there.png").write_bytes(flat())
    (tmp_path / "here.png").symlink_to("there.png")
    assert load(tmp_path / "here.png") == flat()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert load(tmp_path / "pipe") == "it is not a regular file"


def test_a_name_of_any_bytes_becomes_text(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).write_bytes(flat())
    (chunk,) = chunks(FolderSource(tmp_path), [Gap(0, 1)])
    assert chunk.ids.to_pylist() == ["\\xff.png"]
    assert load(chunk.images[0]) == flat()


def test_a_change_of_one_file_changes_the_summary(tmp_path: Path) -> None:
    source = FolderSource(folder(tmp_path / "images", 12))
    before = source.summary()
    assert source.summary() == before
    assert before.rows == 12
    (tmp_path / "images" / "001" / "0011.png").rename(tmp_path / "images" / "001" / "0012.png")
    assert source.summary() != before


@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_gaps_alone_are_read(tmp_path: Path, kind: str) -> None:
    contents = pictures(40)
    source = (
        FolderSource(folder(tmp_path / "images", 40))
        if kind == "folder"
        else ParquetSource(
            tmp_path,
            [
                table(tmp_path / "a.parquet", {"image": contents[:22]}, group=6),
                table(tmp_path / "b.parquet", {"image": contents[22:]}, group=6),
            ],
            "image",
            None,
        )
    )
    found = list(chunks(source, [Gap(3, 5), Gap(20, 31), Gap(39, 40)], 8))
    assert [(chunk.first, len(chunk.images)) for chunk in found] == [
        (3, 2), (20, 8), (28, 3), (39, 1)
    ]  # fmt: skip
    rows = [chunk.first + row for chunk in found for row in range(len(chunk.images))]
    images = [load(image) for chunk in found for image in chunk.images]
    assert images == [contents[row] for row in rows]


def test_large_images_make_smaller_chunks(tmp_path: Path) -> None:
    size = CHUNK_BYTES // 3
    source = ParquetSource(
        tmp_path, [table(tmp_path / "a.parquet", {"image": [bytes(size)] * 7})], "image", None
    )
    assert [len(chunk.images) for chunk in chunks(source, [Gap(0, 7)])] == [3, 3, 1]
    assert size > MAX_SIDE


@pytest.mark.parametrize(
    ("column", "options", "sentence"),
    [
        (
            {"picture": [b""]},
            {},
            "does not have exactly one column 'image'; its columns are 'picture'",
        ),
        ({"image": ["text"]}, {}, "is string, but must be binary"),
        ({"image": [{"path": "x"}]}, {}, "must be binary"),
        ({"image": [b""]}, {"id_column": "name"}, "does not have exactly one column 'name'"),
        ({"image": [b""], "name": [[1]]}, {"id_column": "name"}, "an id must be a plain value"),
    ],
)
def test_columns_that_are_not_usable(
    tmp_path: Path, column: dict[str, object], options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ScoreError) as error:
        open_input(table(tmp_path / "in.parquet", column), **options)
    assert sentence in str(error.value)


def test_ids_of_two_types_are_refused(tmp_path: Path) -> None:
    table(tmp_path / "a.parquet", {"image": [b""], "name": ["x"]})
    table(tmp_path / "b.parquet", {"image": [b""], "name": [1]})
    with pytest.raises(ScoreError, match="is string in the first file and int64 in"):
        open_input(tmp_path, id_column="name")


def test_ids_keep_their_type(tmp_path: Path) -> None:
    names = pa.array([3, None], pa.timestamp("ns"))
    source = open_input(
        table(tmp_path / "a.parquet", {"image": [b"", b""], "n": names}), "image", "n"
    )
    (chunk,) = chunks(source, [Gap(0, 2)])
    assert chunk.ids.equals(names)


def test_what_is_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "in.parquet").write_bytes(b"PAR1 not at all")
    with pytest.raises(ScoreError, match="cannot be read as Parquet") as error:
        open_input(tmp_path / "in.parquet")
    assert "\n" not in str(error.value)


def test_images_next_to_parquet_are_refused(tmp_path: Path) -> None:
    table(folder(tmp_path / "images", 3) / "old.parquet", {"image": [b""]})
    with pytest.raises(ScoreError, match="both images and Parquet"):
        open_input(tmp_path / "images")


def test_an_id_column_is_for_parquet(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="--id-column"):
        open_input(folder(tmp_path / "images", 3), id_column="name")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="contains no files"):
        open_input(tmp_path)
