"""What runs on a Dask worker: unpacks the kit that it receives, and scores with it.

The functions are sent by value, so they import what they need themselves. Pupila need not be
installed on a worker; another package called ``models`` there is not affected.
"""

from typing import Any

EXPECTED = "libraries.json"
CODE = "code"
STORE = "store"
ARTIFACT = f"{STORE}/model/version"


def score(
    kit: bytes, digest: str, images: list[bytes | str], max_pixels: int, keep_scores: bool
) -> tuple[Any, Any, list[str | None]]:
    """The fields of the scorer's Answers.

    Raises RuntimeError with one sentence, since the client cannot unpickle the kit's own errors.
    """
    import sys
    import threading
    import types

    # Shared by the process, since each task unpickles a new copy of this function.
    shared: Any = types.ModuleType("_pupila_scorers")
    shared.lock, shared.scorers = threading.Lock(), {}
    shared = sys.modules.setdefault("_pupila_scorers", shared)
    key = (digest, max_pixels, keep_scores)
    with shared.lock:
        if key not in shared.scorers:
            shared.scorers.clear()
            shared.scorers[key] = _open(kit, max_pixels, keep_scores)
        scorer = shared.scorers[key]
    return tuple(scorer.score(images))


def _open(kit: bytes, max_pixels: int, keep_scores: bool) -> Any:
    import io
    import json
    import pathlib
    import tempfile
    import zipfile
    from importlib import metadata

    with tempfile.TemporaryDirectory(prefix="pupila-") as name:
        folder = pathlib.Path(name)
        with zipfile.ZipFile(io.BytesIO(kit)) as archive:
            archive.extractall(folder)
        for library, expected in json.loads((folder / EXPECTED).read_text()).items():
            try:
                installed = metadata.version(library)
            except metadata.PackageNotFoundError:
                raise RuntimeError(f"a worker has no {library}") from None
            if installed != expected:
                raise RuntimeError(f"a worker has {library} {installed} instead of {expected}")
        artifact, scorer = _private_modules(folder / CODE)
        try:
            version = artifact.read_artifact(folder / ARTIFACT)
            return scorer.Scorer(version, max_pixels, keep_scores)
        except Exception as error:  # noqa: BLE001 - its class may exist only here
            raise RuntimeError(str(error).rstrip(".") or type(error).__name__) from None


def _private_modules(folder: Any) -> tuple[Any, Any]:
    """The folder's modules ``models.artifact`` and ``score.scorer``, kept out of sys.modules."""
    import importlib
    import sys

    ours = {"errors", "images", "internals", "models", "score"}
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if _root(name) in ours}
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        return importlib.import_module("models.artifact"), importlib.import_module("score.scorer")
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if _root(name) in ours]:
            del sys.modules[name]
        sys.modules.update(before)


def _root(name: str) -> str:
    return name.partition(".")[0]
