"""scripts/install, without the network: with programs that only note how they are called, and once
for real, with wheels from a folder."""

import base64
import hashlib
import os
import pty
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
UV = Path(sys.executable).with_name("uv")
PIN = next(
    line.removeprefix("uv==").split()[0]
    for line in (ROOT / "requirements" / "uv.txt").read_text(encoding="utf-8").splitlines()
    if line.startswith("uv==")
)
FETCHES_UV = "--requirement requirements/uv.txt"


def project(folder: Path) -> Path:
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    return folder


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def install(folder: Path, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        variable: value
        for variable, value in os.environ.items()
        if not variable.startswith(("PIP_", "UV_"))
    }
    return subprocess.run(
        ["scripts/install", name],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A .venv whose Python notes its arguments in ``calls``, and fails if $FAILS is among them."""
    program(
        tmp_path / ".venv" / "bin" / "python",
        'echo "$@" >>calls\n'
        'case "$*" in *"${FAILS:-nothing}"*) echo "$SAYS" >&2; exit "${STATUS:-1}" ;; esac',
    )
    program(tmp_path / ".venv" / "bin" / "uv", f"echo uv {PIN}")
    return project(tmp_path)


def calls(folder: Path) -> list[str]:
    noted = (folder / "calls").read_text(encoding="utf-8").splitlines()
    return [call for call in noted if call.startswith("-m ")]


def stamps(folder: Path) -> set[str]:
    return {path.name for path in (folder / ".venv").glob(".inst*-*")}


def test_uv_installs_what_the_lock_names(fake: Path) -> None:
    assert install(fake, "train").returncode == 0
    first, *compilations = calls(fake)
    assert first == (
        "-m scripts.uv pip install --quiet --python .venv/bin/python "
        "--require-hashes --only-binary :all: --requirement requirements/train.txt"
    )
    assert all(call.startswith("-m compileall ") for call in compilations)
    assert stamps(fake) == {".installed-train", ".installed-serving"}


def test_another_uv_is_replaced_first(fake: Path) -> None:
    program(fake / ".venv" / "bin" / "uv", "echo uv 0.0.1")
    install(fake, "train")
    assert FETCHES_UV in calls(fake)[0]
    assert "--require-hashes" in calls(fake)[0]


def test_pip_installs_where_uv_has_no_wheel(fake: Path) -> None:
    (fake / ".venv" / "bin" / "uv").unlink()
    done = install(fake, "score", FAILS=FETCHES_UV, SAYS="ERROR: No matching distribution found")
    assert done.returncode == 0
    assert "uv cannot install here; falling back to pip, which takes a few minutes" in done.stdout
    assert "No matching distribution" not in done.stdout + done.stderr
    assert calls(fake)[-1].startswith("-m pip install --quiet")
    assert calls(fake)[-1].endswith(
        "--require-hashes --only-binary :all: --requirement requirements/score.txt"
    )
    assert stamps(fake) == {".installed-score", ".installed-serving"}


def test_pip_tries_where_uv_cannot_connect(fake: Path) -> None:
    done = install(fake, "train", FAILS="scripts.uv", STATUS="2", SAYS="error: invalid certificate")
    assert done.returncode == 0
    assert calls(fake)[-1].startswith("-m pip install")
    # uv may have left a package half installed.
    assert "--force-reinstall" in calls(fake)[-1]


def test_no_network_is_one_sentence(fake: Path) -> None:
    (fake / ".venv" / "bin" / "uv").unlink()
    done = install(
        fake, "train", FAILS=FETCHES_UV, SAYS="WARNING: Retrying after connection broken"
    )
    assert done.returncode == 1
    assert done.stderr == (
        "pip cannot reach the package index: check the network and 'pip config list', "
        "then run this again.\n"
    )
    assert stamps(fake) == set()


def test_a_wrong_hash_is_not_tried_again(fake: Path) -> None:
    done = install(fake, "train", FAILS="scripts.uv", SAYS="error: Hash mismatch for `numpy`")
    assert done.returncode == 1
    assert done.stderr == (
        "requirements/train.txt was not installed: check that the package index has the files of "
        "the lock, then run this again.\nerror: Hash mismatch for `numpy`\n"
    )
    assert stamps(fake) == {".installing-train"}


def test_all_is_installed_again_after_an_interruption(fake: Path) -> None:
    (fake / ".venv" / ".installing-dev").touch()
    install(fake, "train")
    assert "--reinstall" in calls(fake)[0]
    # What dev alone needs is still in doubt.
    assert stamps(fake) == {".installed-train", ".installed-serving", ".installing-dev"}
    install(fake, "dev")
    assert not any("installing" in stamp for stamp in stamps(fake))


def test_a_half_made_environment_is_made_again(fake: Path) -> None:
    (fake / ".venv" / ".unfinished").touch()
    done = install(fake, "train", PYTHON="false")
    assert done.stderr.startswith("PYTHON=false is not Python 3.11, 3.12 or 3.13")


def test_progress_is_shown_on_a_terminal(fake: Path) -> None:
    ours, theirs = pty.openpty()
    subprocess.run(
        ["scripts/install", "train"], cwd=fake, stdout=theirs, stderr=theirs, check=True, timeout=60
    )
    os.close(theirs)
    os.close(ours)
    assert "--quiet" not in calls(fake)[0]


def wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> str:
    """Makes a wheel of these files, and returns its line in a lock."""
    info = f"{name}-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for member, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record += f"{member},sha256={digest.decode()},{len(text.encode())}\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in (files | {f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}).items():
            entry = zipfile.ZipInfo(member)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, text)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A project whose sets ``serving`` and ``score`` are one library each, and are installed."""
    folder = project(tmp_path_factory.mktemp("project"))
    wheels = tmp_path_factory.mktemp("wheels")
    uv = {f"uv-{PIN}.data/scripts/uv": f'#!/bin/sh\nexec "{UV}" "$@"\n'}
    locks = {
        "uv": wheel(wheels, "uv", PIN, uv),
        "serving": wheel(wheels, "bird", "1.0", {"bird/__init__.py": "", "bird/tests/egg.py": ""}),
        "score": wheel(wheels, "fish", "1.0", {"fish.py": ""}),
    }
    for name, text in locks.items():
        (folder / "requirements" / f"{name}.txt").write_text(text, encoding="utf-8")
    settings = {
        "PYTHON": os.path.realpath(sys.executable),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "UV_CACHE_DIR": str(tmp_path_factory.mktemp("cache")),
    }
    for name in ("serving", "score"):
        done = install(folder, name, **settings)
        assert (done.returncode, done.stderr) == (0, "")
        assert "falling back to pip" not in done.stdout
    return folder, settings


def test_a_set_is_added_to_what_is_there(installed: tuple[Path, dict[str, str]]) -> None:
    folder, _ = installed
    subprocess.run([folder / ".venv/bin/python", "-c", "import bird, fish, pip"], check=True)
    assert stamps(folder) == {".installed-serving", ".installed-score"}


def test_the_environment_has_pip(installed: tuple[Path, dict[str, str]]) -> None:
    folder, _ = installed
    done = subprocess.run(
        [folder / ".venv/bin/pip", "list"], capture_output=True, text=True, check=True
    )
    assert {"bird", "fish", "pip", "uv"} <= {line.split()[0] for line in done.stdout.splitlines()}


def test_all_is_compiled_but_the_libraries_own_tests(
    installed: tuple[Path, dict[str, str]],
) -> None:
    folder, _ = installed
    compiled = {path.name.partition(".")[0] for path in (folder / ".venv").rglob("*.pyc")}
    assert compiled >= {"__init__", "fish"}
    assert "egg" not in compiled
