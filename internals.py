"""Every use of something that a library does not document, in one module.

BentoML 1.4.39 and Pillow 13; circus, which supervises the workers, has ``internals_supervisor.py``,
prometheus_client ``internals_metrics.py``, and uvicorn ``serving/http/server.py``. Each release of
these may rename what is used here, so ``tests/test_internals.py`` checks each attribute by name;
when one of its tests fails after an upgrade, this is the module to change.

The libraries are imported where they are used: the command lines import this module too.
"""

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile
    from starlette.applications import Starlette


_METRICS = "pupila-metrics-"


class StoredModel(NamedTuple):
    """A model in a BentoML store: its name, its version and the folder with its files."""

    name: str
    version: str
    path: Path


def count_features(classifier: Any) -> None:
    """Give a CatBoost 1.2 classifier its ``n_features_in_``, which its pickle leaves out."""
    if classifier.is_fitted() and not classifier.n_features_in_:
        classifier._n_features_in = len(classifier.feature_names_)


def bentoml_home() -> Path:
    """BentoML's folder, ``BENTOML_HOME``. Raises OSError if it cannot be created."""
    from bentoml._internal.configuration.containers import BentoMLContainer

    return Path(BentoMLContainer.bentoml_home.get())


def current_model_store() -> Path:
    """The model store that BentoML uses in this process: a Bento may bring its own."""
    from bentoml._internal.configuration.containers import BentoMLContainer

    return Path(BentoMLContainer.model_store.get()._path)


def create_model(
    name: str, store: Path, write: Callable[[Path], object], version: str | None = None
) -> StoredModel:
    """A new version of a model in ``store``, its files made by ``write`` in the folder it gets.

    ``version``: its name, by default a new one of BentoML's. Raises what ``write`` raises; the
    store is then unchanged.
    """
    import bentoml
    from bentoml._internal.models import ModelStore

    models = ModelStore(store)
    tag = bentoml.Tag(name, version) if version else bentoml.Tag(name, None).make_new_version()
    with bentoml.models.create(tag, module="pupila", _model_store=models) as model:
        write(Path(model.path))
    return _stored(models.get(tag))


def export_model(tag: str, store: Path, path: Path) -> Path:
    """Write a version as a ``.bentomodel`` archive to ``path``, which must be absolute."""
    import bentoml
    from bentoml._internal.models import ModelStore

    return Path(bentoml.models.export_model(tag, str(path), _model_store=ModelStore(store)))


def _stored(model: Any) -> StoredModel:
    return StoredModel(model.tag.name, str(model.tag.version), Path(model.path))


def silent_onnxruntime() -> Any:
    """ONNX Runtime, kept from reporting to its developers.

    Since 1.32 it connects to their event collector within a minute, on Linux too, whatever
    ``disable_telemetry_events`` was told; it reads this variable when it is first imported.
    """
    os.putenv("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def webp_frame(image: "ImageFile") -> tuple[str, bytes]:
    """The pixels of a WebP's first frame, four bytes each, and their mode: RGBA, or RGBX without
    transparency. Frees the decoder, and raises EOFError if the frame is damaged.

    Pillow's own ``load`` copies them once more, with the decoder's two canvases still there: 16
    bytes a pixel in place of 12, and a photo of 12 megapixels needs 195 MB in place of 146.
    """
    decoder: Any = image._decoder  # type: ignore[attr-defined]
    frame = decoder.get_next()
    del image._decoder  # type: ignore[attr-defined]
    if frame is None:
        raise EOFError
    return image.rawmode, frame[0]  # type: ignore[attr-defined]


def do_not_track(silent: bool) -> None:
    """Have BentoML report its use to its developers, or not, whatever it read at its start.

    It asks the environment once, before it imports a service, and reports by default: each start,
    and each model that is saved.
    """
    from bentoml._internal.utils.analytics import usage_stats

    usage_stats.do_not_track = lambda: silent  # type: ignore[assignment]


class _NoClient:
    """In place of BentoML's client of each service; false, so that methods are called directly."""

    to_async = to_sync = None

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __bool__(self) -> bool:
        return False

    async def __aenter__(self) -> None:
        pass

    async def close(self) -> None:
        pass


def leave_out_unused() -> None:
    """Have a worker start without what BentoML imports there and never uses for this service.

    Its proxy for services that are another program, the client of a service to itself, and the
    supervisor: with aiohttp, pyparsing, circus, zmq and tornado, these are 15 MB of each worker. To
    be called before the server's modules are imported; elsewhere, only the proxy is left out.
    """
    unused: dict[str, dict[str, Any]] = {"_bentoml_impl.server.proxy": {"create_proxy_app": None}}
    if is_worker():
        unused["_bentoml_impl.client"] = {"RemoteProxy": _NoClient}
        unused["bentoml._internal.utils.circus"] = {"Server": None}
    for name, content in unused.items():
        if name not in sys.modules:
            sys.modules[name] = ModuleType(name)
            vars(sys.modules[name]).update(content)


def without_timers(app: "Starlette") -> "Starlette":
    """The application without BentoML's time limit, which keeps 60 objects of every request until
    that is over: 20,000 requests for ``/livez`` were 1.3 million objects, and the garbage collector
    took 0.9 s over them. Every route that takes time has a deadline of ours.
    """
    from bentoml._internal.server.http.traffic import TimeoutMiddleware

    timers: Any = TimeoutMiddleware
    app.user_middleware = [one for one in app.user_middleware if one.cls is not timers]
    return app


def use_own_metrics_folder() -> None:
    """Have this server's workers keep their metrics where no other server's are.

    BentoML's folder is one for all servers with the same home, and each of them empties it when it
    starts: from then on nobody sees what those before it count. Folders that servers left behind
    when they were killed are removed. Called while the service is imported, before BentoML makes
    its own.
    """
    from bentoml._internal.configuration.containers import BentoMLContainer

    if not is_server() or is_worker():
        return
    _remove_left_metrics()
    try:
        folder = tempfile.mkdtemp(prefix=f"{_METRICS}{_processes()}-{os.getpid()}-")
    except OSError:
        # BentoML finds a place, or says why there is none.
        return
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    BentoMLContainer.prometheus_multiproc_dir.set(folder)


def _remove_left_metrics() -> None:
    mine = f"{_METRICS}{_processes()}-"
    for left in Path(tempfile.gettempdir()).glob(f"{mine}*-*"):
        process = left.name.removeprefix(mine).partition("-")[0]
        with contextlib.suppress(OSError):
            if left.stat().st_uid == os.getuid() and process.isdigit() and not _lives(int(process)):
                shutil.rmtree(left)


def _processes() -> int:
    """Which numbers of processes those here are: containers that share a folder have their own."""
    with contextlib.suppress(OSError):
        return Path("/proc/self/ns/pid").stat().st_ino
    return 0


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def is_worker() -> bool:
    """Whether this process is one of the workers of a server."""
    main = getattr(sys.modules["__main__"], "__spec__", None)
    return main is not None and main.name.startswith("_bentoml_impl.worker")


def worker_number() -> int | None:
    """Which of the workers this process is, from 1; whoever replaces one has its number."""
    from bentoml._internal.context import server_context

    return server_context.worker_index


def is_server() -> bool:
    """Whether this process serves, as a worker or as their supervisor."""
    import click

    context = click.get_current_context(silent=True)
    return is_worker() or (context is not None and {"host", "port"} <= context.params.keys())


def serving_address() -> tuple[str, int] | None:
    """Where the supervisor is about to listen; None where that was not asked on a command line."""
    import click
    from bentoml._internal.configuration.containers import BentoMLContainer

    context = click.get_current_context(silent=True)
    if context is None or not is_server():
        return None
    http = BentoMLContainer.http
    return context.params["host"] or http.host.get(), context.params["port"] or http.port.get()


def serving_certificate() -> list[str | None]:
    """Told ``bentoml serve``: files of certificate and key, its password, clients' authorities."""
    import click

    context = click.get_current_context(silent=True)
    told = context.params if context is not None and is_server() else {}
    return [*map(told.get, ("ssl_certfile", "ssl_keyfile", "ssl_keyfile_password", "ssl_ca_certs"))]


def available_cpus() -> int:
    """The CPUs that this process may use, by the limits of its container; at least 1."""
    from bentoml._internal.resource import CpuResource

    return int(CpuResource.from_system()) or 1


def is_traced() -> bool:
    """Whether BentoML exports traces, and a request must pass through its middlewares."""
    from bentoml._internal.configuration.containers import BentoMLContainer

    return BentoMLContainer.tracing.exporter_type.get() is not None


def service_configuration(service: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """BentoML's configuration of a service: as users have set it, and as it is without them."""
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.configuration.helpers import get_default_config
    from bentoml._internal.utils import deep_merge

    service.inject_config()
    given = BentoMLContainer.config.services[service.name].get()
    return given, deep_merge(get_default_config(version=2)["services"], service.config)
