"""Pickles of 33 kinds by older versions of scikit-learn: whether they are served as at home.

usage: python -m bench.pickles [--write] VERSION...

Makes an environment of each version with uv, has ``old_pickles.py`` make the pickles there, and
loads and converts each of them here. Labels must be those at home, wherever the two best scores
differ. ``--write`` writes the table, and ``models/offline/proven.py`` with the estimators all of
whose pickles were right.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

from errors import PupilaError
from images.spec import ImageSpec
from models.offline.adoption import found_by_search
from models.offline.answers import scores
from models.offline.conversion import convert
from models.offline.pickles import load
from models.runtime import OnnxRuntime

HERE = Path(__file__).parent
PROVEN = HERE.parent / "models" / "offline" / "proven.py"
RESULTS = HERE / "pickles.md"
SPEC = ImageSpec.parse("digits")
MARGIN = 1e-4
DIFFERENCE = 1e-4


@dataclass(frozen=True)
class Row:
    """``verdict``: served, refused or WRONG. ``classes``: of the estimators in it."""

    kind: str
    version: str
    verdict: str
    why: str
    classes: frozenset[str]


def environment(version: str, folder: Path) -> Path:
    """Python with that scikit-learn; made if it is not there."""
    python = folder / version / "bin" / "python"
    if not python.exists():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run(
            [uv, "venv", "-q", "--python", sys.executable, str(python.parent.parent)], check=True
        )
        # Wheels of the oldest were built with NumPy 1; those of 1.9 and later need 2.
        old = tuple(map(int, version.split(".")[:2])) < (1, 9)
        wanted = [f"scikit-learn=={version}", *(["numpy<2"] if old else [])]
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python), *wanted], check=True)
    return python


def made(version: str, folder: Path) -> Path:
    """The folder with the pickles of that version, and ``home.npz``; made if it is not there."""
    python = environment(version, folder)
    pickles = folder / f"pickles-{version}"
    if not (pickles / "home.npz").exists():
        subprocess.run([str(python), str(HERE / "old_pickles.py"), str(pickles)], check=True)
    return pickles


def kind_of(path: Path, home: Any) -> str:
    """What a pickle has, as ``old_pickles.py`` calls it."""
    kinds: list[str] = [key[7:] for key in home.files if key.startswith("labels:")]
    return next(kind for kind in kinds if _stem(kind) == path.stem)


def judged(path: Path, version: str, home: Any) -> Row:
    kind = kind_of(path, home)
    classes: frozenset[str] = frozenset()
    try:
        loaded = load(path)
        classes = frozenset(made.kind for made in loaded.foreign)
        estimator = found_by_search(loaded.estimator)
        graph = convert(estimator, SPEC.n_features)
    except PupilaError as error:
        return Row(kind, version, "refused", str(error), classes)
    labels = np.asarray(loaded.labels or estimator.classes_)
    features = SPEC.features(home["pixels"])
    outcome = OnnxRuntime(graph.model).run(features)
    differ = _differ(labels[outcome.indices], outcome.scores, home, kind)
    own = np.searchsorted(estimator.classes_, estimator.predict(features))
    differ += _differ(labels[own], scores(estimator, features), home, kind)
    if differ:
        return Row(kind, version, "WRONG", f"{differ} of {len(outcome.scores)} answers", classes)
    return Row(kind, version, "served", "", classes)


def _differ(labels: NDArray[Any], scores: NDArray[Any], home: Any, kind: str) -> int:
    """Images with another label than at home, or scores, but for close calls."""
    wrong = (labels != home[f"labels:{kind}"]) & ~home[f"ties:{kind}"]
    theirs = np.asarray(home[f"scores:{kind}"])
    if theirs.ndim == 1:
        theirs = np.stack([-theirs, theirs], axis=1)
    if theirs.shape != scores.shape:
        return int(wrong.sum())
    scale = max(1.0, float(np.abs(theirs).max()))
    ordered = np.sort(theirs, axis=1)
    close = ordered[:, -1] - ordered[:, -2] <= MARGIN * scale
    away = np.abs(theirs - scores).max(axis=1) > DIFFERENCE * scale
    if kind.startswith("knn"):  # Points that are equally far.
        return int((wrong & ~close).sum() > len(wrong) // 100) * int(wrong.sum())
    return int(((wrong & ~close) | away).sum())


def labels_that_differ(labels: NDArray[Any], home: Any, kind: str) -> int:
    """Images with another label than at home, but for close calls."""
    wrong = (labels != home[f"labels:{kind}"]) & ~home[f"ties:{kind}"]
    theirs = np.asarray(home[f"scores:{kind}"])
    if theirs.ndim == 1:
        theirs = np.stack([-theirs, theirs], axis=1)
    if theirs.shape[-1] < 2 or len(theirs) != len(labels):
        return int(wrong.sum())
    ordered = np.sort(theirs, axis=1)
    close = ordered[:, -1] - ordered[:, -2] <= MARGIN * max(1.0, float(np.abs(theirs).max()))
    return int((wrong & ~close).sum())


def _stem(kind: str) -> str:
    return kind.replace(", ", "-").replace(" ", "-")


def proven(rows: list[Row]) -> dict[str, frozenset[str]]:
    """By minor version: the classes in something that was right, and to blame for nothing.

    To blame for a wrong answer are the classes that are in nothing that was right, or all of them
    if there is none.
    """
    found: dict[str, frozenset[str]] = {}
    for version in dict.fromkeys(row.version for row in rows):
        own = [row for row in rows if row.version == version]
        right = frozenset[str]().union(*(row.classes for row in own if row.verdict == "served"))
        blamed: frozenset[str] = frozenset()
        for row in own:
            if row.verdict == "WRONG":
                blamed |= row.classes - right or row.classes
        found[".".join(version.split(".")[:2])] = right - blamed
    return found


def table(rows: list[Row]) -> str:
    versions = list(dict.fromkeys(row.version for row in rows))
    lines = [
        f"# Pickles of other versions, by scikit-learn {sklearn.__version__}",
        "",
        (
            "Written by `python -m bench.pickles --write VERSION ...`. Without "
            "`--with-scikit-learn`: *served* answers as at home, *refused* cannot be loaded or "
            "converted, and *differs* answers otherwise than at home, so that the import refuses "
            "it."
        ),
        "",
        "| kind | " + " | ".join(versions) + " |",
        "|---|" + "---|" * len(versions),
    ]
    for kind in dict.fromkeys(row.kind for row in rows):
        own = {row.version: row for row in rows if row.kind == kind}
        cells = (own[version].verdict.replace("WRONG", "differs") for version in versions)
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    arguments = [one for one in sys.argv[1:] if one != "--write"]
    folder = Path(tempfile.gettempdir()) / "skv"
    rows: list[Row] = []
    for version in arguments:
        pickles = made(version, folder)
        home = np.load(pickles / "home.npz")
        for path in sorted(pickles.glob("*.pkl")):
            row = judged(path, version, home)
            print(f"{version}  {row.kind:26} {row.verdict:8} {row.why}", flush=True)
            rows.append(row)
    if "--write" in sys.argv:
        RESULTS.write_text(table(rows))
        others = {minor: names for minor, names in proven(rows).items() if names}
        minor = ".".join(sklearn.__version__.split(".")[:2])
        body = "".join(
            f'    "{version}": frozenset(\n        """\n'
            + "".join(f"        {name}\n" for name in sorted(names))
            + '        """.split()\n    ),\n'
            for version, names in others.items()
        )
        head = PROVEN.read_text().split("INSTALLED")[0]
        PROVEN.write_text(
            f'{head}INSTALLED: Final = "{minor}"\n\n'
            f"PROVEN: Final[dict[str, frozenset[str]]] = {{\n{body}}}\n"
        )


if __name__ == "__main__":
    main()
