import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from images.spec import ImageSpec
from models.store import Store
from models.training_images import TrainingSet
from records.__main__ import main
from records.champions import promote
from records.database import Database
from records.windows import window
from records.writer import write
from settings import settings
from tests.drawing import flat
from tests.records.rows import keep, label, row


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    monkeypatch.setenv("PUPILA_DATABASE_URL", database_url)
    # Not what a server of another test has remembered.
    monkeypatch.setenv("PUPILA_HOME", str(tmp_path))
    settings.cache_clear()
    yield CliRunner()
    settings.cache_clear()


def call(run: CliRunner, *arguments: str, answer: str | None = None) -> Result:
    return run.invoke(main, arguments, input=answer, prog_name="python -m records")


def test_migrate_reports_what_it_did(run: CliRunner) -> None:
    assert call(run, "migrate").output.endswith(": schema 0005, new.\n")
    assert call(run, "migrate").output.endswith(": schema 0005 already.\n")


@pytest.mark.parametrize(
    "arguments",
    [("stats",), ("prune", "--max-rows", "1"), ("delete", "--request-id", "1", "--yes")],
)
def test_a_missing_schema_error_names_the_remedy(
    run: CliRunner, arguments: tuple[str, ...]
) -> None:
    done = call(run, *arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.endswith("run python -m records migrate.\n")


def test_stats_count_everything(run: CliRunner, database: Database) -> None:
    keep(database, row("1"), row("2", status=400, image=None), row("3", model="m"))
    label(database, "1", 3, source="ann")
    label(database, "1", 8, source="bob")
    label(database, "9", 8, model="clf", image=b"image")
    now = datetime.now(UTC)
    traffic = {(now, "clf", "v", "champion", "status", key): 40 for key in ("200", "400")}
    write(database, [], traffic)
    counts = json.loads(call(run, "stats", "--json").output)
    clf = counts["models"][0]
    assert {name: clf[name] for name in clf if isinstance(clf[name], int)} == {
        "requests": 80,
        "kept": 2,
        "rejected": 1,
        "feedback": 1,
        "imported": 0,
        "images": 2,
        "image_bytes": 13,
        "labelled": 2,
        "conflicts": 1,
    }
    assert counts["models"][1]["last"] == "2030-01-31 12:00:00+00:00"
    table = call(run, "stats").output
    assert "CONFLICTS" in table
    assert table.splitlines()[2].split()[:2] == ["m", "0"]


def test_requests_for_no_model_are_counted_under_a_dash(run: CliRunner, database: Database) -> None:
    write(database, [], {(datetime.now(UTC), "", "", "champion", "status", "400"): 3})
    assert call(run, "stats").output.splitlines()[1].split()[:2] == ["-", "3"]


def test_stats_of_nothing(run: CliRunner, database: Database) -> None:
    assert "has no records yet." in call(run, "stats").output
    assert json.loads(call(run, "stats", "--json").output)["models"] == []


def test_prune_needs_a_limit(run: CliRunner, database: Database) -> None:
    done = call(run, "prune")
    assert done.exit_code == 2
    assert "Give at least one limit" in done.stderr


def test_prune(run: CliRunner, database: Database) -> None:
    old = datetime.now(UTC) - timedelta(days=40)
    keep(database, row("1", at=old), row("2", at=datetime.now(UTC)))
    done = call(run, "prune", "--older-than", "30d")
    assert done.output.startswith("Deleted 1 predictions with 8 B of images")
    again = json.loads(call(run, "prune", "--max-bytes", "1GB", "--json").output)
    assert again == {"rows": 0, "bytes": 0, "traffic": 0, "reports": 0, "kept": 0}


def test_delete_asks_first(run: CliRunner, database: Database) -> None:
    keep(database, row("1"))
    assert call(run, "delete", "--request-id", "1", answer="n\n").exit_code == 1
    assert len(window(database, "clf")) == 1
    done = call(run, "delete", "--request-id", "1", answer="y\n")
    assert done.output.endswith("Deleted 1 predictions, 1 images, 0 labels.\n")
    done = call(run, "delete", "--request-id", "1", "--yes")
    assert (done.exit_code, done.stderr) == (1, "Error: No records of request '1' found.\n")


def test_export(run: CliRunner, database: Database, tmp_path: Path) -> None:
    keep(database, row("1"), row("2", minutes=60 * 24))
    out = str(tmp_path / "out.parquet")
    done = call(run, "export", out, "--since", "2030-02-01", "--model", "clf")
    assert ": 1 records, " in done.output
    done = call(run, "export", out, "--since", "1h", "--until", "2030-02-01T12:30", "--overwrite")
    assert ": 1 records, " in done.output
    again = call(run, "export", out)
    assert (again.exit_code, "--overwrite" in again.stderr) == (1, True)


def test_import_creates_the_database(run: CliRunner, tmp_path: Path) -> None:
    for number in range(3):
        path = tmp_path / "in" / "cat" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(flat(number) if number else b"no image")
    done = call(run, "import", str(tmp_path / "in"), "--model", "clf")
    assert done.stdout == "2 images added, 0 unchanged, 0 relabelled, 1 skipped.\n"
    assert done.stderr.startswith("Skipped cat/0.png: it is not a JPEG")
    listed = json.loads(
        call(run, "import", str(tmp_path / "in"), "--model", "clf", "--json").stdout
    )
    assert (listed["unchanged"], listed["faults"][0]["where"]) == (2, "cat/0.png")


def test_import_needs_one_source(run: CliRunner, tmp_path: Path) -> None:
    for arguments in ((), ("--url", "sqlite:///x"), (str(tmp_path), "--query", "SELECT 1")):
        assert call(run, "import", *arguments, "--model", "clf").exit_code == 2


def test_an_import_names_its_model(run: CliRunner, tmp_path: Path) -> None:
    done = call(run, "import", str(tmp_path), "--model", "")
    assert done.exit_code == 2
    assert "'--model': must be a model's name" in done.stderr or "--model: must be" in done.stderr


def test_an_export_of_the_champion(run: CliRunner, database: Database, tmp_path: Path) -> None:
    keep(database, row("1", version="a"), row("2", version="b"))
    file = str(tmp_path / "one.parquet")
    done = call(run, "export", file, "--version", "clf:champion")
    assert done.stderr == ("Error: Model 'clf' has no champion by name: write the version's tag.\n")
    promote(database, "clf", "a", actor="ann", because="", answering=None)
    assert ": 1 records," in call(run, "export", file, "--version", "clf:champion").stdout


def test_delete_reaches_the_training_images_made_of_a_request(
    run: CliRunner, database: Database, tmp_path: Path
) -> None:
    store = Store(tmp_path / "models")
    image = flat()
    keep(database, row("1", image=image), row("2", image=flat(50)))
    made = TrainingSet(
        spec=ImageSpec.parse("digits"),
        pixels=np.zeros((1, 64), np.uint8),
        labels=(8,),
        sides=("train",),
        sources=(sha256(image).hexdigest(),),
    )
    store.training_images.keep("clf", "a", made)
    other = run.invoke(main, ["delete", "--request-id", "2", "--yes"], obj=store)
    assert "training images" not in other.output
    done = run.invoke(main, ["delete", "--request-id", "1", "--yes"], obj=store)
    assert done.exit_code == 0, done.output
    assert "Deleted 1 training images of clf:a; what these versions have learned" in done.output
    left = store.training_images.read("clf", "a")
    assert left is not None
    assert len(left) == 0
