"""What is used of libraries without being documented: each attribute, by its name.

A test that fails after an upgrade names what the new release no longer has.
"""

import inspect
import io
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import bentoml
import click
import pytest
from _bentoml_impl.server import app
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore
from bentoml._internal.resource import CpuResource
from bentoml.serving import ensure_prometheus_dir
from PIL import Image
from PIL.ImageFile import ImageFile
from prometheus_client import values
from starlette.applications import Starlette

import internals
from settings import bentoml_home
from tests.servers import ROOT


def test_these_are_the_releases_that_were_read() -> None:
    assert version("bentoml").startswith("1.4.")
    assert version("uvicorn").startswith("0.")


@pytest.mark.parametrize(
    "name", ["bentoml_home", "config", "model_store", "tracing", "prometheus_multiproc_dir"]
)
def test_bentoml_s_container_has(name: str) -> None:
    assert hasattr(BentoMLContainer, name)


def test_bentoml_s_home_and_store_are_folders() -> None:
    assert internals.bentoml_home().is_dir()
    assert internals.current_model_store() == internals.bentoml_home() / "models"
    # What commands go by, which do not import BentoML.
    assert bentoml_home() == internals.bentoml_home()


def test_bentoml_traces_nothing_by_default() -> None:
    assert BentoMLContainer.tracing.exporter_type.get() is None
    assert not internals.is_traced()


def test_bentoml_asks_this_function_before_it_reports() -> None:
    from bentoml._internal.utils.analytics import usage_stats

    assert "do_not_track()" in inspect.getsource(usage_stats.track)
    internals.do_not_track(True)
    assert usage_stats.do_not_track()


def test_onnx_runtime_is_told_to_report_nothing_before_it_is_imported() -> None:
    program = (
        "import internals, sys; internals.silent_onnxruntime(); import subprocess; "
        "print(subprocess.run(['sh', '-c', 'echo $ORT_DISABLE_TELEMETRY'], stdout=-1).stdout)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "b'1\\n'\n"


def test_this_process_is_no_server() -> None:
    assert not internals.is_worker()
    assert not internals.is_server()
    assert internals.serving_address() is None
    assert internals.serving_certificate() == [None] * 4
    assert internals.worker_number() is None


def test_where_a_server_will_listen_is_what_its_command_was_told() -> None:
    options = [click.Option(["--host"]), click.Option(["--port"], type=int)]
    command = click.Command("serve", params=[*options])
    with command.make_context("serve", ["--host", "::1", "--port", "9000"]):
        assert internals.is_server()
        assert internals.serving_address() == ("::1", 9000)


def test_the_certificate_that_a_server_will_have_is_what_its_command_was_told() -> None:
    options = [click.Option([name]) for name in ("--host", "--port", "--ssl-certfile")]
    command = click.Command("serve", params=[*options])
    with command.make_context("serve", ["--ssl-certfile", "a.pem"]):
        assert internals.serving_certificate() == ["a.pem", None, None, None]


OPTIONS = """
import json
from bentoml_cli.serve import build_serve_command
print(json.dumps([one.name for one in build_serve_command().commands["serve"].params]))
"""


def test_bentoml_s_serve_has_those_options() -> None:
    # In a process of its own: a service that was imported before has changed what is asked here.
    done = subprocess.run(
        [sys.executable, "-c", OPTIONS], capture_output=True, text=True, check=True
    )
    names = set(json.loads(done.stdout.splitlines()[-1]))
    assert {"host", "port"} <= names
    certificate = {"ssl_certfile", "ssl_keyfile", "ssl_keyfile_password", "ssl_ca_certs"}
    assert certificate <= names


def test_bentoml_counts_the_cpus() -> None:
    assert callable(CpuResource.from_system)
    assert internals.available_cpus() >= 1


@pytest.mark.parametrize("name", ["create", "export_model"])
def test_bentoml_s_models_take_a_store(name: str) -> None:
    parameters = inspect.signature(getattr(bentoml.models, name)).parameters
    assert "_model_store" in parameters


def test_a_model_is_created_whole_in_the_store_that_is_named(tmp_path: Path) -> None:
    made = internals.create_model("clf", tmp_path, lambda folder: (folder / "a").write_text("b"))
    assert made.name == "clf"
    assert made.path == Path(ModelStore(tmp_path).get(f"clf:{made.version}").path)
    assert (made.path / "a").read_text() == "b"


def test_a_service_may_be_of_a_class_of_ours() -> None:
    assert "service_class" in inspect.signature(bentoml.service).parameters
    assert list(inspect.signature(bentoml.Service.to_asgi).parameters) == ["self", "is_main"]


def test_bentoml_serves_what_to_asgi_returns() -> None:
    from _bentoml_impl.worker import service

    assert "service.to_asgi(" in inspect.getsource(service)


def test_prometheus_names_its_files_by_a_function() -> None:
    assert values.ValueClass._multiprocess  # the tests run as a worker does
    assert "process_identifier" in inspect.signature(values.MultiProcessValue).parameters


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_webps_frame_is_what_pillow_loads(mode: str) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((20, 10), 90).convert(mode).save(buffer, "WEBP", lossless=True)
    with Image.open(buffer) as opened:
        assert isinstance(opened, ImageFile)
        kind, frame = internals.webp_frame(opened)
        size = opened.size
    with Image.open(buffer) as opened:
        loaded = opened.mode
        assert kind == ("RGBX" if loaded == "RGB" else "RGBA")
        still = Image.frombuffer(kind, size, frame, "raw", kind, 0, 1)
        assert still.convert(loaded).tobytes() == opened.tobytes()


def test_what_is_left_out_of_a_worker_is_what_bentoml_asks_for() -> None:
    from _bentoml_impl.client import RemoteProxy
    from _bentoml_impl.server import proxy
    from bentoml._internal.utils.circus import Server

    source = (Path(inspect.getfile(app)).parent / "serving.py").read_text()
    assert "from bentoml._internal.utils.circus import Server\n" in source
    source = Path(inspect.getfile(app)).read_text()
    assert "from _bentoml_impl.server.proxy import create_proxy_app\n" in source
    assert set(re.findall(r"import RemoteProxy|from \.\.client import (\w+)", source)) <= {
        "",
        "RemoteProxy",
    }
    # Either what is there, or what takes its place.
    assert RemoteProxy is not None
    assert hasattr(proxy, "create_proxy_app")
    assert Server is not None


def test_bentomls_timer_is_taken_out() -> None:
    from bentoml._internal.server.http.traffic import MaxConcurrencyMiddleware, TimeoutMiddleware

    app = Starlette()
    app.add_middleware(TimeoutMiddleware, timeout=1)
    app.add_middleware(MaxConcurrencyMiddleware, max_concurrency=1)
    kept: list[object] = [one.cls for one in internals.without_timers(app).user_middleware]
    assert kept == [MaxConcurrencyMiddleware]


def test_catboost_counts_its_features_where_it_is_told_to() -> None:
    catboost = pytest.importorskip("catboost")
    options = {"iterations": 1, "verbose": 0, "allow_writing_files": False}
    fitted = catboost.CatBoostClassifier(**options).fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    loaded = pickle.loads(pickle.dumps(fitted))
    assert not loaded.n_features_in_
    internals.count_features(loaded)
    assert loaded.n_features_in_ == 2


def test_what_killed_servers_left_of_their_metrics_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    here = internals._processes()
    left, mine = (f"pupila-metrics-{here}-{process}-abc" for process in (dead.pid, os.getpid()))
    # Of a container that shares the folder, where the same number may be a server's.
    others = f"pupila-metrics-{here + 1}-{dead.pid}-abc"
    for name in (left, mine, others, f"pupila-metrics-{here}-no-number"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "counter.db").touch()
    internals._remove_left_metrics()
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {mine, others, f"pupila-metrics-{here}-no-number"}


def test_bentoml_makes_the_folder_of_metrics_where_it_is_told_to(tmp_path: Path) -> None:
    BentoMLContainer.prometheus_multiproc_dir.set(str(tmp_path / "own"))
    try:
        assert ensure_prometheus_dir() == str(tmp_path / "own")
    finally:
        BentoMLContainer.prometheus_multiproc_dir.reset()
