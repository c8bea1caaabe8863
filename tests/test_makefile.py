"""What make says before anything is installed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The project as somebody finds it who has just cloned it: no .venv."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()
    shown = re.findall(r"^make (\S+) +\S", make(ROOT, "help").stdout, re.MULTILINE)
    assert sorted([*shown, "always"]) == sorted(phony)


def test_make_alone_is_help() -> None:
    assert make(ROOT).stdout == make(ROOT, "help").stdout


@pytest.mark.parametrize("target", ["serve", "train", "test", "check", "fix", "bento", "lock"])
def test_an_unfit_python_is_named_in_one_sentence(bare: Path, target: str) -> None:
    old = program(bare / "bin" / "python3.9", "exit 1")
    done = make(bare, target, PYTHON=str(old))
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == (
        f"PYTHON={old} is not Python 3.11, 3.12 or 3.13: name one that is, as in PYTHON=python3.12."
    )
    assert not (bare / ".venv").exists()


def test_no_python_at_all_is_one_sentence(bare: Path) -> None:
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        program(bare / "bin" / name, "exit 1")
    done = make(bare, "serve", PATH=f"{bare / 'bin'}:{os.environ['PATH']}")
    assert done.stderr.startswith("There is no Python 3.11, 3.12 or 3.13 on the path: install one")


def test_a_later_name_is_tried_when_python3_is_unfit(bare: Path) -> None:
    program(bare / "bin" / "python3", "exit 1")
    program(bare / "bin" / "python3.13", "exit 1")
    # Fit, but like Debian's without its package python3-venv.
    program(bare / "bin" / "python3.12", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    done = make(bare, "serve", PATH=f"{bare / 'bin'}:{os.environ['PATH']}")
    assert done.stderr.splitlines()[0] == (
        "python3.12 cannot make virtual environments: run 'apt install python3-venv' first."
    )


def test_tests_run_without_the_settings_of_their_user(bare: Path) -> None:
    program(bare / ".venv" / "bin" / "python", 'echo "$PUPILA_HOME,$BENTOML_HOME,$PORT,$1 $2"')
    (bare / ".venv" / ".installed-dev").touch()
    done = make(bare, "test", PUPILA_HOME="/mine", BENTOML_HOME="/mine", PORT="1")
    assert done.stdout == ",,,-m pytest\n"


def test_a_changed_lock_is_installed_again(bare: Path) -> None:
    program(bare / ".venv" / "bin" / "python", 'echo "$@"')
    (bare / ".venv" / ".installed-dev").touch()
    later = (bare / ".venv" / ".installed-dev").stat().st_mtime + 10
    os.utime(bare / "requirements" / "dev.txt", (later, later))
    assert "--require-hashes" in make(bare, "test").stdout


def test_serving_shows_a_request_that_works(bare: Path) -> None:
    program(bare / ".venv" / "bin" / "python", "exit 0")
    program(bare / ".venv" / "bin" / "bentoml", 'echo "bentoml $*"')
    (bare / ".venv" / ".installed-train").touch()
    body = bare / "tests" / "data" / "predict_digit8.json"
    assert make(bare, "serve", PORT="9000").stdout.splitlines() == [
        "Serving on http://127.0.0.1:9000 (Ctrl-C stops it). In another terminal:",
        f"  curl -d '@{body}' http://127.0.0.1:9000/predict/",
        "bentoml serve . --host 127.0.0.1 --port 9000",
    ]


def test_serving_trains_first_where_there_is_no_model(bare: Path) -> None:
    program(bare / ".venv" / "bin" / "python", 'echo "$@"; test "$2" != models')
    program(bare / ".venv" / "bin" / "bentoml", "exit 0")
    (bare / ".venv" / ".installed-train").touch()
    # Whether it can serve is asked before, as a training may take long.
    assert make(bare, "serve").stdout.splitlines()[:2] == ["-m scripts.preflight", "-m train"]
