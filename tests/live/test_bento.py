"""The Bento: built from the checkout, served from an empty folder."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.store import Store
from models.version import Version
from records.champions import promote
from records.database import Database
from tests.drafts import LinearDraft
from tests.servers import ROOT, Server, environment, serve
from tests.test_layout import MAY_IMPORT

BODY = Path("tests/data/predict_digit8.json").read_bytes()


@dataclass(frozen=True)
class Built:
    home: Path
    tag: str
    champions: list[Version]

    @property
    def folder(self) -> Path:
        return self.home / "bentos" / self.tag.replace(":", "/")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    home = tmp_path_factory.mktemp("home")
    store = Store(home / "models")
    store.save(LinearDraft(answer=3))
    champions = [store.save(LinearDraft(answer=8)), store.save(LinearDraft("other"))]
    # Not the newest: a candidate is not packed.
    store.save(LinearDraft(answer=5))
    with Database(f"sqlite:///{home}/pupila/records.db", create=True) as database:
        database.prepare()
        version = champions[0].version
        promote(database, "clf", version, actor="ann", because="tests", answering=None)
    done = subprocess.run(
        [program("bentoml"), "build", "-o", "tag"],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    return Built(home, done.stdout.strip().rpartition("__tag__:")[2], champions)


@pytest.fixture(scope="module")
def served(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """From an empty folder, where packages are installed that are named like rooms of ours."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("records", "models", "serving"):
        (elsewhere / name).mkdir()
        text = f"raise ImportError('another package {name}')"
        (elsewhere / name / "__init__.py").write_text(text)
    extra = {"PYTHONPATH": str(elsewhere)}
    # As on Cloud Run: with what was packed, and without the database of whoever built it.
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(built.home / "bentos", home / "bentos")
    for champion in built.champions:
        path = champion.path.relative_to(built.home)
        shutil.copytree(champion.path, home / path)
        (home / path.with_name("latest")).write_text(champion.version)
    folder = tmp_path_factory.mktemp("empty")
    with serve(home, target="pupila:latest", folder=folder, variables=extra) as server:
        yield server


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def test_a_bento_packs_the_champions(built: Built) -> None:
    packed = (built.folder / "bento.yaml").read_text()
    assert all(f"tag: {champion.tag}" in packed for champion in built.champions)


def test_a_bento_holds_what_the_jobs_need_and_nothing_else(built: Built) -> None:
    source = built.folder / "src"
    assert {path.name for path in source.iterdir()} == {
        "bentofile.yaml", "cli.py", "cluster.py", "console", "deploy", "errors.py", "features",
        "images", "internals.py", "internals_metrics.py", "internals_supervisor.py", "keys",
        "labels.py", "logs", "models", "monitor", "pipeline", "records", "requirements",
        "rollout", "score", "service.py", "serving", "settings.py", "settings_logs.py",
        "settings_records.py", "settings_rollout.py", "settings_secrets.py", "sizes.py", "train",
    }  # fmt: skip
    assert {path.name for path in (source / "deploy").iterdir()} == {"image"}
    assert {path.name for path in (source / "requirements").iterdir()} == {"image.txt"}


def test_a_bento_serves_from_any_folder(built: Built, served: Server) -> None:
    response = served.post("/predict/", content=BODY)
    assert response.json() == {"request_id": "123", "prediction": 8}
    assert response.headers["x-model-version"] == built.champions[0].tag
    assert served.get("/docs.json").json()["info"]["version"] in built.tag


def test_every_module_and_template_is_in_the_bento(built: Built) -> None:
    """What git tracks of a room is packed, and every module of it can be imported from there."""
    rooms = [path.name for path in (built.folder / "src").iterdir() if path.name in MAY_IMPORT]
    rooms += [f"{name}.py" for name in MAY_IMPORT if (ROOT / f"{name}.py").exists()]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *rooms],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = [Path(name) for name in listed.stdout.split("\0") if name]
    assert [file for file in files if not (built.folder / "src" / file).is_file()] == []
    names = [
        ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        for file in files
        if file.suffix == ".py"
        and file.parent != Path("records/migrations")
        and "versions" not in file.parts
    ]
    program = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=built.folder / "src",
        env=environment(built.home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_package_named_like_a_room_is_not_imported_in_its_place(served: Server) -> None:
    assert served.post("/predict/", content=BODY).status_code == 200


def test_its_dockerfile_is_clean(built: Built) -> None:
    """A rule that does not fit is ignored where it does not, with the reason beside it."""
    dockerfile = built.folder / "env" / "docker" / "Dockerfile"
    done = subprocess.run(
        [program("hadolint"), "--no-color", "--failure-threshold=style", dockerfile],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_its_libraries_are_checked_by_hash(built: Built) -> None:
    dockerfile = (built.folder / "env" / "docker" / "Dockerfile").read_text()
    assert "--require-hashes" in dockerfile
    lock = (built.folder / "src" / "requirements" / "image.txt").read_text()
    assert lock == (ROOT / "requirements" / "image.txt").read_text()
