import fcntl
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from errors import PupilaError, ScoreError, UnknownVersionError
from images.decoding import read_pixels
from images.formats import ANY_FORMAT
from models.store import Store
from score.run import Options, score
from tests.drafts import LinearDraft
from tests.score.scoring import BROKEN, folder, pictures, rows, run, table

IMAGES = 45


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return folder(tmp_path / "images", IMAGES)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.parquet"


def expected(store: Store, contents: list[bytes]) -> Any:
    """The label and all scores of each image, scored one by one."""
    version = store.champion("clf")
    spec, runtime = version.manifest.image_spec, version.artifact.open()
    answers = [runtime.run(spec.features(read_pixels(content, spec))[None]) for content in contents]
    labels = [version.manifest.labels[int(answer.indices[0])] for answer in answers]
    return labels, np.concatenate([answer.scores for answer in answers])


class Killed(BaseException):
    """Ends a run before it is complete, in this process."""


def stopped_after(store: Store, images: Path, out: Path, done: int, **options: Any) -> None:
    """A run that ends as soon as so many rows are written."""

    def advance(now: int, _total: int) -> None:
        if now >= done:
            raise Killed

    with pytest.raises(Killed):
        score(Options(images, out, **options), store, advance, chunk_rows=8)


def refused(store: Store, images: Path, out: Path, **options: Any) -> str:
    with pytest.raises(ScoreError) as error:
        run(store, images, out, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_file_has_its_row_in_order(store: Store, images: Path, out: Path) -> None:
    report = run(store, images, out)
    found = rows(out)
    labels, _ = expected(store, pictures(IMAGES))
    assert [row["id"] for row in found] == [f"{i // 10:03d}/{i:04d}.png" for i in range(IMAGES)]
    labels[BROKEN] = None
    assert [row["prediction"] for row in found] == labels
    assert len(set(labels)) > 3
    assert {row["version"] for row in found} == {store.champion("clf").tag}
    assert (report.rows, report.errors, report.resumed) == (IMAGES, 1, 0)
    assert not out.with_name("results.parquet.parts").exists()


def test_an_unreadable_image_has_the_reason_and_nothing_else(
    store: Store, images: Path, out: Path
) -> None:
    run(store, images, out, probabilities=True)
    found = rows(out)
    assert [row["id"] for row in found if row["error"]] == ["000/0007.png"]
    assert found[BROKEN]["error"] == f"it is not {ANY_FORMAT}"
    assert found[BROKEN]["prediction"] is None
    assert found[BROKEN]["p_3"] is None


def test_probabilities_have_a_column_each(store: Store, images: Path, out: Path) -> None:
    run(store, images, out, probabilities=True)
    found = pq.read_table(out)
    assert found.column_names == [
        "id", "prediction", "version", "error", *(f"p_{label}" for label in range(10))
    ]  # fmt: skip
    assert found.schema.field("p_0").type == pa.float32()
    given = np.array([found[f"p_{label}"].to_numpy() for label in range(10)]).T
    _, scores = expected(store, pictures(IMAGES))
    scores[BROKEN] = np.nan
    np.testing.assert_allclose(given, scores, atol=1e-6)


def test_labels_may_be_strings(store: Store, images: Path, out: Path) -> None:
    store.save(LinearDraft(name="pets", labels=("cat", "dog", "hen")))
    run(store, images, out, model="pets", probabilities=True)
    found = pq.read_table(out)
    assert found.schema.field("prediction").type == pa.string()
    assert found.column_names[4:] == ["p_cat", "p_dog", "p_hen"]
    for row in found.to_pylist():
        scores = {name: row[f"p_{name}"] for name in ("cat", "dog", "hen") if not row["error"]}
        assert row["prediction"] == (max(scores, key=scores.__getitem__) if scores else None)


def test_integer_labels_are_int64(store: Store, images: Path, out: Path) -> None:
    run(store, images, out)
    assert pq.read_schema(out).field("prediction").type == pa.int64()


@pytest.mark.parametrize("shape", ["binary", "large", "hugging face"])
def test_parquet_has_the_rows_that_the_folder_has(
    store: Store, images: Path, out: Path, tmp_path: Path, shape: str
) -> None:
    run(store, images, out)
    names = [row["id"] for row in rows(out)]
    contents: list[Any] = [(images / name).read_bytes() for name in names]
    column = {
        "binary": pa.array(contents, pa.binary()),
        "large": pa.array(contents, pa.large_binary()),
        "hugging face": pa.array([{"bytes": content, "path": "x"} for content in contents]),
    }[shape]
    given = table(tmp_path / "in.parquet", {"image": column, "name": names}, group=10)
    other = tmp_path / "other.parquet"
    run(store, given, other, id_column="name")
    assert other.read_bytes() == out.read_bytes()


def test_a_folder_of_parquet_files_is_numbered_through(
    store: Store, out: Path, tmp_path: Path
) -> None:
    contents = pictures(IMAGES)
    home = tmp_path / "tables"
    home.mkdir()
    (home / "README.md").write_text("About the data.")
    table(home / "b.parquet", {"picture": contents[20:]})
    table(home / "a.parquet", {"picture": contents[:20]})
    run(store, home, out, image_column="picture")
    found = rows(out)
    assert [row["id"] for row in found] == list(range(IMAGES))
    assert [row["prediction"] for row in found] == expected(store, contents)[0]


def test_a_row_without_an_image_is_an_error(store: Store, out: Path, tmp_path: Path) -> None:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    values = [None, {"bytes": None, "path": "cat.png"}, {"bytes": pictures(1)[0], "path": None}]
    run(store, table(tmp_path / "in.parquet", {"image": pa.array(values, kind)}), out)
    assert [row["error"] for row in rows(out)] == [
        "there is no image in this row",
        "there are no bytes in this row, only the path cat.png",
        None,
    ]


def test_no_rows_are_an_empty_file(store: Store, out: Path, tmp_path: Path) -> None:
    given = table(tmp_path / "in.parquet", {"image": pa.array([], pa.binary())})
    assert run(store, given, out).rows == 0
    assert rows(out) == []


def test_the_output_does_not_depend_on_the_parts(store: Store, images: Path, out: Path) -> None:
    run(store, images, out, chunk_rows=128)
    whole = out.read_bytes()
    run(store, images, out, chunk_rows=3, overwrite=True)
    assert out.read_bytes() == whole


@pytest.mark.parametrize("group", [5, 16, 17, 45])
def test_row_groups_are_cut_by_rows(
    store: Store, images: Path, out: Path, monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    run(store, images, out)
    whole = rows(out)
    monkeypatch.setattr("score.parts._GROUP_ROWS", group)
    run(store, images, out, overwrite=True)
    assert rows(out) == whole
    found = pq.read_metadata(out)
    sizes = [found.row_group(index).num_rows for index in range(found.num_row_groups)]
    assert sizes == [group] * (IMAGES // group) + [IMAGES % group] * (IMAGES % group > 0)


def test_a_run_continues_where_it_stopped(store: Store, images: Path, out: Path) -> None:
    run(store, images, out, probabilities=True)
    whole = out.read_bytes()
    out.unlink()
    stopped_after(store, images, out, done=24, probabilities=True)
    parts = out.with_name("results.parquet.parts")
    (parts / "part-000000000008.parquet").unlink()

    def on_disk() -> dict[Path, int]:
        return {part: part.stat().st_mtime_ns for part in parts.glob("part-*.parquet")}

    kept = on_disk()
    seen: list[tuple[int, dict[Path, int]]] = []

    def advance(done: int, _total: int) -> None:
        seen.append((done, on_disk()))

    report = score(Options(images, out, probabilities=True), store, advance, chunk_rows=8)
    assert [done for done, _ in seen] == [16, 24, 32, 40, IMAGES]
    assert seen[0][1] == kept
    added = [part.name for part in sorted(seen[-1][1].keys() - kept.keys())]
    assert added == [f"part-{first:012d}.parquet" for first in (8, 24, 32, 40)]
    assert kept.items() <= seen[-1][1].items()
    assert report.resumed == 16
    assert out.read_bytes() == whole


def test_an_alias_keeps_its_version_for_the_run(store: Store, images: Path, out: Path) -> None:
    first = store.champion("clf")
    stopped_after(store, images, out, done=8)
    second = store.save(LinearDraft(seed=1))
    assert run(store, images, out).version == first.tag
    assert run(store, images, out, overwrite=True).version == second.tag


def test_a_run_whose_version_is_gone_is_refused(store: Store, images: Path, out: Path) -> None:
    first = store.champion("clf")
    stopped_after(store, images, out, done=8)
    store.save(LinearDraft(seed=1))
    store.delete(first)
    assert first.tag in refused(store, images, out)


def test_a_run_continues_only_with_the_same_input_and_options(
    store: Store, images: Path, out: Path
) -> None:
    stopped_after(store, images, out, done=8)
    second = store.save(LinearDraft(seed=1))
    assert "no probabilities" in refused(store, images, out, probabilities=True)
    assert "with the version clf:" in refused(store, images, out, model=second.tag)
    (images / "000" / "0003.png").write_bytes(pictures(1, seed=9)[0] + b"x")
    assert "another input" in refused(store, images, out)


def test_input_that_changes_during_the_run_is_refused(
    store: Store, images: Path, out: Path
) -> None:
    def advance(done: int, total: int) -> None:
        if done == total:
            (images / "late.png").write_bytes(pictures(1)[0])

    with pytest.raises(ScoreError, match="changed while it was scored"):
        score(Options(images, out), store, advance)
    assert not out.exists()


def test_a_finished_output_is_not_overwritten_unasked(
    store: Store, images: Path, out: Path
) -> None:
    run(store, images, out)
    assert "--overwrite" in refused(store, images, out)
    assert run(store, images, out, overwrite=True).rows == IMAGES


def test_a_damaged_part_is_done_again(store: Store, images: Path, out: Path) -> None:
    stopped_after(store, images, out, done=24)
    part = out.with_name("results.parquet.parts") / "part-000000000008.parquet"
    part.write_bytes(part.read_bytes()[:-3])
    assert run(store, images, out).resumed == 16
    assert [row["id"] for row in rows(out)] == sorted(row["id"] for row in rows(out))
    assert len(rows(out)) == IMAGES


def test_two_runs_into_one_output_are_refused(store: Store, images: Path, out: Path) -> None:
    stopped_after(store, images, out, done=8)
    with (out.with_name("results.parquet.parts") / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "Another process" in refused(store, images, out)


def test_a_folder_of_parts_that_is_not_ours_is_left_alone(
    store: Store, images: Path, out: Path
) -> None:
    parts = out.with_name("results.parquet.parts")
    parts.mkdir()
    (parts / "thesis.txt").write_text("precious")
    assert "thesis.txt" in refused(store, images, out)
    assert (parts / "thesis.txt").read_text() == "precious"


def test_a_refused_run_leaves_nothing(store: Store, images: Path, out: Path) -> None:
    with pytest.raises(UnknownVersionError):
        run(store, images, out, model="nobody")
    assert not out.with_name("results.parquet.parts").exists()


def test_scores_are_not_probabilities(store: Store, images: Path, out: Path) -> None:
    store.save(LinearDraft(name="raw", probabilities=False))
    assert "gives no probabilities" in refused(store, images, out, model="raw", probabilities=True)


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("images/results.parquet", "inside of the input"),
        ("images", "is a folder"),
        ("nowhere/results.parquet", "does not exist"),
    ],
)
def test_an_output_that_is_not_possible(
    store: Store, images: Path, tmp_path: Path, where: str, sentence: str
) -> None:
    assert sentence in refused(store, images, tmp_path / where)


def test_an_input_that_is_not_there(store: Store, out: Path, tmp_path: Path) -> None:
    assert "is not a folder or a Parquet file" in refused(store, tmp_path / "nowhere", out)


def test_a_disk_that_is_full_is_one_sentence(store: Store, images: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        locked = Path("/proc/results.parquet")
    else:
        locked = tmp_path / "locked" / "results.parquet"
        locked.parent.mkdir(mode=0o500)
    with pytest.raises(PupilaError, match="cannot be written"):
        run(store, images, locked)
