"""Pickles of several versions of scikit-learn, imported and asked through HTTP.

usage: python -m bench.served_pickles [--kind KIND] [--write] VERSION...

``bench.pickles`` compares graphs; here each pickle is imported as ``python -m models import`` does
it, a server answers with it, and the labels in its answers are compared with those at home, close
calls apart. Without ``--kind`` all of ``bench/old_pickles.py`` are. ``--write`` writes
``bench/served_pickles.md``.
"""

import base64
import io
import json
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.crowded import settings
from bench.machine import heading
from bench.pickles import HERE, environment, kind_of, labels_that_differ, made
from bench.process import ROOT, free_port, running
from bench.table import markdown
from errors import PupilaError
from images.spec import ImageSpec
from models.bringing import Pickle, bring
from models.store import Store

BATCH = 200
SPEC = ImageSpec.parse("digits")


def encoded(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels.reshape(SPEC.height, SPEC.width)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def asked(port: int, model: str, images: list[str]) -> list[Any]:
    """The labels that the server answers."""
    found: list[Any] = []
    for start in range(0, len(images), BATCH):
        items = [
            {"request_id": f"{model}-{start + number}", "image": image}
            for number, image in enumerate(images[start : start + BATCH])
        ]
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/predict/batch/",
            json.dumps({"model": model, "items": items}).encode(),
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found += [item["prediction"] for item in json.load(answer)["items"]]
    return found


def verdicts(version: str, kinds: tuple[str, ...], folder: Path) -> dict[str, str]:
    """By kind: served with how many images, refused, or how many labels are WRONG."""
    pickles = made(version, folder)
    home = np.load(pickles / "home.npz")
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as place:
        store = Store(Path(place) / "models")
        models: dict[str, str] = {}
        for path in sorted(pickles.glob("*.pkl")):
            kind = kind_of(path, home)
            if kinds and kind not in kinds:
                continue
            name = path.stem.lower()
            try:
                bring(store, Pickle(path, name, SPEC))
                models[kind] = name
            except PupilaError as error:
                found[kind] = f"refused: {error}"
            click.echo(f"{version}  {kind:26} {found.get(kind, 'imported')}", err=True)
        if models:
            found |= _served(Path(place), models, home)
    return found


def _served(place: Path, models: dict[str, str], home: Any) -> dict[str, str]:
    images = [encoded(one) for one in home["pixels"]]
    port = free_port()

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return True
        except OSError:
            return False

    command = [str(Path(sys.executable).with_name("bentoml")), "serve"]
    chosen = settings(place, port) | {"PUPILA_DEFAULT_MODEL": next(iter(models.values()))}
    found = {}
    with running(command, chosen, place / "log", ready):
        for kind, model in models.items():
            differ = labels_that_differ(np.array(asked(port, model, images)), home, kind)
            found[kind] = f"WRONG: {differ} of {len(images)}" if differ else "served"
    return found


@click.command()
@click.argument("versions", nargs=-1, required=True)
@click.option("--kind", "kinds", multiple=True, help="Only this kind, such as svc.")
@click.option("--write", is_flag=True, help="Write bench/served_pickles.md.")
def main(versions: tuple[str, ...], kinds: tuple[str, ...], write: bool) -> None:
    """Import pickles of these versions, and ask a server."""
    folder = Path(tempfile.gettempdir()) / "skv"
    for version in versions:
        environment(version, folder)
    found = {version: verdicts(version, kinds, folder) for version in versions}
    every = sorted(set[str]().union(*found.values()))
    rows = [
        [kind, *(found[one].get(kind, "").partition(":")[0] for one in versions)] for kind in every
    ]
    table = markdown(("labels through HTTP", *versions), rows)
    click.echo(table)
    for version, by_kind in found.items():
        for kind, verdict in by_kind.items():
            if verdict != "served":
                click.echo(f"{version} {kind}: {verdict}")
    if write:
        title = heading("Pickles through HTTP", ["python -m bench.served_pickles", *sys.argv[1:]])
        (HERE / "served_pickles.md").write_text(f"{title}\n{table}\n", encoding="utf-8")


if __name__ == "__main__":
    if Path.cwd() != ROOT:
        click.echo(f"Run it in {ROOT}.", err=True)
    main(prog_name="python -m bench.served_pickles")
