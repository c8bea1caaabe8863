import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from models.store import Store
from records.champions import promote
from records.database import Database
from score.__main__ import main
from score.progress import Pace, progress
from settings import settings
from tests.drafts import LinearDraft
from tests.score.scoring import folder, rows
from tests.servers import ROOT


def run(store: Store, *arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], obj=store)


def test_it_prints_where_the_results_are_and_their_version(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "results.parquet"
    done = run(store, folder(tmp_path / "images", 12), "--out", out)
    assert done.exit_code == 0, done.output
    tag = store.champion("clf").tag
    assert done.stdout == f"{out}: 12 images scored with {tag}, 1 of them without a prediction.\n"
    assert done.stderr.splitlines()[0] == "Scoring 12 images ..."
    assert "images/s, 0:00:00 left" in done.stderr
    assert len(rows(out)) == 12


def test_the_champion_scores_and_not_the_newest_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUPILA_HOME", str(tmp_path / "pupila"))
    settings.cache_clear()
    champion, _ = (Store().save(LinearDraft("scored")) for _ in range(2))
    with Database.of(create=True) as database:
        database.prepare()
        promote(database, "scored", champion.version, actor="ann", because="", answering=None)
    images = str(folder(tmp_path / "images", 2))
    arguments = [images, "--model", "scored", "--out", str(tmp_path / "results.parquet")]
    done = CliRunner().invoke(main, arguments)
    settings.cache_clear()
    assert f"scored with {champion.tag}" in done.stdout


def test_an_error_is_one_sentence(store: Store, tmp_path: Path) -> None:
    done = run(store, tmp_path / "nowhere", "--out", tmp_path / "results.parquet")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith(
        f"Error: {tmp_path / 'nowhere'} is not a folder or a Parquet file"
    )
    assert done.stderr.count("\n") == 1


def test_wrong_usage_exits_with_2(store: Store) -> None:
    assert run(store, "images").exit_code == 2


def test_without_pyarrow_the_requirements_are_named(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = run(store, tmp_path, "--out", tmp_path / "results.parquet")
    assert done.exit_code == 1
    assert "pip install -r requirements/score.txt" in done.stderr


def test_help_loads_no_library_of_scoring() -> None:
    loaded = (
        "import sys; from score.__main__ import main; main(['--help'], standalone_mode=False);"
        "print({'pyarrow', 'numpy', 'bentoml', 'rich', 'distributed'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("set()\n")


def test_the_rate_is_of_this_process_alone() -> None:
    pace = Pace(done=1000, now=50.0)
    assert pace.text(1000, 3000, 50.0) == ""
    assert pace.text(2000, 3000, 60.0) == "100 images/s, 0:00:10 left"


def test_a_terminal_has_a_bar() -> None:
    console = Console(force_terminal=True, record=True, width=80)
    with progress(console) as advance:
        advance(0, 20)
        advance(20, 20)
    assert "20/20" in console.export_text()
