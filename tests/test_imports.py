"""What a command loads before it does anything, which is most of what a short one costs."""

import subprocess
import sys
from pathlib import Path

import pytest

from models.store import Store
from records.database import Database
from settings import environment
from tests.drafts import LinearDraft

ROOT = Path(__file__).parent.parent
# Each takes 0.03 to 1.5 s of CPU to import.
HEAVY = {
    *("PIL", "alembic", "bentoml", "dask", "httpx", "jinja2", "matplotlib", "nacl", "numpy"),
    *(
        "onnx",
        "onnxruntime",
        "pandas",
        "psycopg",
        "pyarrow",
        "rich",
        "scipy",
        "skl2onnx",
        "sklearn",
    ),
    *("skops", "sqlalchemy", "starlette"),
}
RUN = """
import runpy, sys
module = sys.argv[1]
sys.argv = sys.argv[1:]
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
except SystemExit as ended:
    assert not ended.code, ended.code
print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a version, and a database in one of two folders."""
    folder = tmp_path_factory.mktemp("imports")
    Store(folder / "bentoml" / "models").save(LinearDraft())
    (folder / "used").mkdir()
    with Database(f"sqlite:///{folder}/used/records.db", create=True) as database:
        database.migrate()
    return folder


def loaded(folder: Path, home: str, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        cwd=ROOT,
        env=environment(BENTOML_HOME=folder / "bentoml", PUPILA_HOME=folder / home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split()) & HEAVY


@pytest.mark.parametrize(
    ("arguments", "home", "expected"),
    [
        # ONNX Runtime, BentoML and Pillow are for servers, and for versions that are made.
        pytest.param("models list", "used", {"numpy"}, id="versions, and a database"),
        pytest.param("models show clf", "new", {"numpy", "rich"}, id="a version as a table"),
        pytest.param("records stats", "used", {"sqlalchemy"}, id="records"),
        pytest.param("rollout status", "used", {"sqlalchemy"}, id="rollouts"),
        pytest.param("train --help", "new", set(), id="help"),
    ],
)
def test_a_command_loads_what_it_needs(
    homes: Path, arguments: str, home: str, expected: set[str]
) -> None:
    assert loaded(homes, home, *arguments.split()) == expected
