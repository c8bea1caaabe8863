"""What is in the image, and what is not."""

import json
from typing import Any

import pytest
import yaml

from tests.container.conftest import FIGURES
from tests.containers import command, docker
from tests.servers import ROOT

MOST_BYTES = 600_000_000

LOOK = """
import json, os, pathlib, shutil, sys
everything = [pathlib.Path(folder, name) for folder, _, names in os.walk("/") for name in names
              if not folder.startswith(("/proc", "/sys", "/dev"))]
print(json.dumps({
    "tools": [name for name in ("cc", "gcc", "g++", "make", "git", "uv", "strip", "ld")
              if shutil.which(name)],
    "caches": [str(path) for path in everything if ".cache" in path.parts
               or path.suffix in (".deb", ".whl") and path.parts[1] != "usr"],
    "sources": [str(path) for path in everything if "site-packages" in path.parts
                and path.suffix == ".py" and path.is_relative_to("/app")],
    "uncompiled": [str(path) for path in everything if path.suffix == ".py"
                   and path.is_relative_to(os.environ["BENTO_PATH"])
                   and not list((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))],
    "writable": [str(path) for path in everything if os.access(path, os.W_OK)
                 and not path.is_relative_to("/data") and not path.is_relative_to("/tmp")],
    "source": sorted({*os.listdir()} - {"__pycache__"}),
    "models": {name: sum(file.stat().st_size for file in pathlib.Path("../models", name).rglob("*")
                         if file.is_file()) for name in os.listdir("../models")},
    "python": sys.version_info[:2],
    "user": [os.getuid(), os.getgid(), os.getgroups()],
    "environment": sorted(os.environ),
}))
"""


@pytest.fixture(scope="module")
def found(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command("python", "-c", LOOK))
    return found


def test_its_size(image: str, found: dict[str, Any]) -> None:
    """With no model but clf, as a clone's first image has it."""
    size = int(docker("image", "inspect", "-f", "{{.Size}}", image))
    others = sum(found["models"].values()) - found["models"]["clf"]
    FIGURES["size"] = f"{(size - others) / 1e6:.0f} MB, and {others / 1e6:.0f} MB of other models"
    assert size - others <= MOST_BYTES


def test_no_tool_to_build_with_and_no_cache(found: dict[str, Any]) -> None:
    assert found["tools"] == []
    assert found["caches"] == []


def test_everything_is_compiled(found: dict[str, Any]) -> None:
    assert found["python"] == [3, 11]
    assert found["sources"] == []
    assert found["uncompiled"] == []


def test_it_runs_as_nobody_who_could_change_it(found: dict[str, Any]) -> None:
    assert docker("image", "inspect", "-f", "{{.Config.User}}", "pupila:test") == "1034:1034"
    assert found["user"] == [1034, 1034, [1034]]
    assert found["writable"] == []


def test_it_holds_what_the_bento_names(found: dict[str, Any]) -> None:
    listed = {
        line.strip(' -"\n').strip("/").split("/")[0]
        for line in (ROOT / "bentofile.yaml").read_text().splitlines()
        if line.strip().startswith('- "/')
    }
    assert set(found["source"]) == listed | {"bentofile.yaml"}


def test_its_environment_has_no_secret(found: dict[str, Any]) -> None:
    given = {"HOME", "HOSTNAME", "PATH", "PWD", "SHLVL", "LC_CTYPE", "OLDPWD", "_"}
    python = {"LANG", "GPG_KEY", "PYTHON_VERSION", "PYTHON_SHA256", "SSL_CERT_FILE"}
    assert set(found["environment"]) - given - python == {
        "BENTOML_DO_NOT_TRACK", "BENTOML_HOME", "BENTO_PATH", "MPLCONFIGDIR",
        "ORT_DISABLE_TELEMETRY", "PUPILA_HOME", "PYTHONPATH", "PYTHONUNBUFFERED",
    }  # fmt: skip


def test_no_layer_names_an_index_or_a_token(image: str) -> None:
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    assert "--require-hashes" not in history, "libraries come from the first stage"
    assert "index-url" not in history
    assert "token" not in history.lower()


SHIPPED = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["include"]
JOBS = [name for one in SHIPPED if (ROOT / (name := one.strip("/")) / "__main__.py").exists()]


@pytest.mark.parametrize("job", JOBS)
def test_every_job_is_a_command(image: str, job: str) -> None:
    assert f"python -m {job}" in command("python", "-m", job, "--help")


@pytest.mark.whole
def test_every_recipe_trains_and_converts(image: str) -> None:
    recipes = ("svc", "forest", "boosting", "logistic", "mlp", "knn", "linear-svc")
    script = " && ".join(f"python -m train --name {name} --recipe {name}" for name in recipes)
    listed = command("sh", "-euc", f"{{ {script}; }} >/dev/null && python -m models list")
    assert all(f"\n{name}:" in listed for name in recipes)


# All but what imports grpcio, which is for an image of one's own.
IMPORT_ALL = """
import importlib, pathlib
for path in sorted(pathlib.Path().rglob("*.py")):
    name = ".".join(path.with_suffix("").parts)
    if not {"migrations", "deploy"} & set(path.parts) and name != "serving.grpc.door":
        importlib.import_module(name)
"""


def test_every_module_finds_its_libraries(image: str) -> None:
    command("python", "-c", IMPORT_ALL)
