import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from errors import RecordsError
from records.database import Database
from records.exporting import export
from tests.records.rows import NOON, ROW, keep, label, row


def rows(path: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(path).to_pylist())


def test_a_record_is_exported_with_all_that_is_known(database: Database, tmp_path: Path) -> None:
    keep(database, ROW)
    label(database, "1", 3, source="ann")
    done = export(database, tmp_path / "out.parquet")
    (found,) = rows(tmp_path / "out.parquet")
    assert (done.rows, done.bytes) == (1, (tmp_path / "out.parquet").stat().st_size)
    for name in ("request_id", "model", "version", "role", "origin", "at", "status", "reason"):
        assert found[name] == getattr(ROW, name), name
    for name in ("confidence", "weight", "image"):
        assert found[name] == getattr(ROW, name), name
    assert found["probabilities"] == np.frombuffer(ROW.probabilities or b"", "<f4").tolist()
    assert (found["prediction"], found["label"]) == (ROW.label, 3)
    assert (found["conflict"], found["labels"]) == (False, '{"ann": 3}')


def test_labels_are_strings_if_one_is(database: Database, tmp_path: Path) -> None:
    keep(database, row("1"))
    label(database, "1", "cat")
    export(database, tmp_path / "out.parquet")
    (found,) = rows(tmp_path / "out.parquet")
    assert (found["prediction"], found["label"]) == ("8", "cat")


def test_a_label_beyond_64_bits_is_a_string(database: Database, tmp_path: Path) -> None:
    keep(database, row(label=2**63))
    export(database, tmp_path / "out.parquet")
    assert rows(tmp_path / "out.parquet")[0]["prediction"] == str(2**63)


def test_what_is_exported_can_be_chosen(database: Database, tmp_path: Path) -> None:
    keep(database, row("1"), row("2", minutes=5), row("3", model="m"), row("4", origin="import"))
    label(database, "2", 3)

    def ids(**chosen: Any) -> list[str]:
        export(database, tmp_path / "out.parquet", overwrite=True, **chosen)
        return [found["request_id"] for found in rows(tmp_path / "out.parquet")]

    assert ids() == ["1", "2", "3", "4"]
    assert ids(model="clf", origins=["traffic"]) == ["1", "2"]
    assert ids(labelled=True) == ["2"]
    assert ids(end=NOON, version="clf:a") == []
    assert ids(start=NOON, model="m") == ["3"]


def test_many_are_exported_in_row_groups_that_fit_into_memory(
    database: Database, tmp_path: Path
) -> None:
    keep(database, *[row(str(i)) for i in range(1500)])
    keep(database, *[row(str(i), image=b"x" * 17_000_000) for i in range(1500, 1502)])
    export(database, tmp_path / "out.parquet")
    with pq.ParquetFile(tmp_path / "out.parquet") as file:
        groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        ids = file.read(["request_id"])["request_id"].to_pylist()
    assert ids == [str(i) for i in range(1502)]
    assert groups == [1000, 501, 1]


def test_images_can_be_left_out(database: Database, tmp_path: Path) -> None:
    keep(database, ROW)
    export(database, tmp_path / "out.parquet", with_images=False)
    assert rows(tmp_path / "out.parquet")[0]["image"] is None


def test_odd_text_is_exported(database: Database, tmp_path: Path) -> None:
    keep(database, row("a\x00\ud83d", probabilities=b"odd"))
    export(database, tmp_path / "out.parquet")
    (found,) = rows(tmp_path / "out.parquet")
    assert (found["request_id"], found["probabilities"]) == ("a\x00\\ud83d", None)


def test_an_existing_file_is_not_replaced_by_default(database: Database, tmp_path: Path) -> None:
    (tmp_path / "out.parquet").write_text("mine")
    with pytest.raises(RecordsError, match="--overwrite"):
        export(database, tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_text() == "mine"


def test_a_file_that_cannot_be_written_is_reported(database: Database, tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="cannot be written: No such file or directory"):
        export(database, tmp_path / "nowhere" / "out.parquet")
    (tmp_path / "file").touch()
    with pytest.raises(RecordsError, match="cannot be written: Not a directory"):
        export(database, tmp_path / "file" / "out.parquet")
    with pytest.raises(RecordsError, match="cannot be written: File name too long"):
        export(database, tmp_path / ("a" * 300))


def test_a_pipe_is_not_replaced(database: Database, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecordsError, match="pipe is not a regular file: choose another"):
        export(database, tmp_path / "pipe", overwrite=True)
    assert (tmp_path / "pipe").is_fifo()


def test_an_export_that_fails_leaves_no_file(database: Database, tmp_path: Path) -> None:
    keep(database, ROW)
    out = tmp_path / "folder"
    out.mkdir()
    (out / "kept").touch()
    with pytest.raises(RecordsError, match="is not a regular file"):
        export(database, out, overwrite=True)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
