"""A pickle converted, and its graph proven, by the scikit-learn that made it.

In a throw-away environment, which uv makes in seconds: what loads there has the attributes that it
was saved with, and the graph is compared with the answers of the old library itself.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from importlib.metadata import version as installed
from pathlib import Path
from typing import Final

from errors import PickleError, PupilaError
from models.artifact import read_artifact
from models.manifest import Manifest
from models.offline.boosters import saved_by

ROOT: Final = Path(__file__).parents[2]

# What conversion needs besides scikit-learn, SciPy and NumPy; in the versions that are here.
_LIBRARIES: Final = (
    "numpy<3",
    "cloudpickle",
    "joblib",
    "onnx",
    "onnxruntime",
    "orjson",
    "pillow",
    "protobuf",
    "pydantic",
    "pydantic-settings",
    "pynacl",
    "simplejpeg",
    "skl2onnx",
    "skops",
)
_SECONDS: Final = 900
_FAILED: Final = 3


@dataclass(frozen=True)
class Elsewhere:
    """A version that another process has written into ``folder``."""

    name: str
    folder: Path

    def write(self, folder: Path) -> Manifest:
        """Copy the files, once they were found whole."""
        artifact = read_artifact(self.folder)
        artifact.open()
        for name in (*artifact.manifest.files, "manifest.json"):
            shutil.copyfile(self.folder / name, folder / name)
        return artifact.manifest


@contextmanager
def converted(
    path: Path, name: str, spec: str, entry: str | None, version: str, *, trust: bool = True
) -> Iterator[tuple[Elsewhere, list[str]]]:
    """The version that scikit-learn ``version`` makes of a pickle, and what it said of it.

    RUNS the pickle there; ``trust``: as for ``pickles.load``. Raises PickleError.
    """
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?(\.post\d+)?", version):
        raise PickleError(f"{version!a} is not a version of scikit-learn, such as 1.3.2.")
    with tempfile.TemporaryDirectory(prefix="pupila-") as folder:
        python = _environment(Path(folder) / "python", version, _boosters(path))
        written = Path(folder) / "version"
        written.mkdir()
        done = _run(
            [
                str(python),
                "-W",
                "ignore",
                "-m",
                __spec__.name,
                str(path.absolute()),
                name,
                spec,
                entry or "",
                str(written),
                "trust" if trust else "",
            ]
        )
        if done.returncode == _FAILED:
            raise PickleError(str(json.loads(done.stdout.splitlines()[-1])))
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise PickleError(f"scikit-learn {version} cannot convert {path.name}: {last[:300]}.")
        yield Elsewhere(name, written), list(json.loads(done.stdout.splitlines()[-1]))


def _environment(folder: Path, version: str, boosters: Sequence[str] = ()) -> Path:
    uv = Path(sys.executable).parent / "uv"
    tool = str(uv) if uv.exists() else shutil.which("uv")
    if tool is None:
        raise PickleError("--with-scikit-learn needs uv, which is not here: pip install uv.")
    python = folder / "bin" / "python"
    wanted = [f"scikit-learn=={version}", *map(_pinned, _LIBRARIES), *boosters]
    if tuple(map(int, version.split(".")[:2])) < (1, 4):
        wanted.append("numpy<2")
    for command in (
        [tool, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [tool, "pip", "install", "--quiet", "--python", str(python), *wanted],
    ):
        done = _run(command)
        if done.returncode:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise PickleError(
                f"An environment with scikit-learn {version} cannot be made for Python "
                f"{sys.version_info.major}.{sys.version_info.minor}: "
                f"{' '.join(lines)[:300] or 'uv failed'}."
            )
    return python


def _boosters(path: Path) -> list[str]:
    """The libraries of trees that the pickle has, in the releases that are here."""
    wanted = {one.library for one in saved_by(path)}
    known = packages_distributions() if wanted else {}
    return [
        _pinned(name) for library in sorted(wanted) for name in sorted(set(known.get(library, ())))
    ]


def _pinned(name: str) -> str:
    return name if "<" in name else f"{name}=={installed(name)}"


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(  # noqa: S603 - uv, and our own module
            command,
            check=False,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise PickleError(f"It took more than {_SECONDS} s, and was ended.") from None


def main() -> None:
    """The process: the pickle, the model's name, the image spec, the entry, a folder, and whether
    the pickle is trusted."""
    from images.spec import ImageSpec
    from models.offline.adoption import adopt
    from models.offline.pickles import load
    from models.offline.provenance import check_proven, check_releases

    path, name, spec, entry, folder, trust = sys.argv[1:]
    try:
        loaded = load(Path(path), entry or None, trust=bool(trust))
        check_proven(Path(path).name, loaded.estimator, loaded.foreign)
        check_releases(Path(path), loaded.estimator)
        candidate = adopt(loaded.estimator, name, ImageSpec.parse(spec), labels=loaded.labels)
        candidate.write(Path(folder))
    except PupilaError as error:
        sys.stdout.write(json.dumps(str(error)) + "\n")
        sys.exit(_FAILED)
    sys.stdout.write(json.dumps([loaded.said] if loaded.said else []) + "\n")


if __name__ == "__main__":
    main()
