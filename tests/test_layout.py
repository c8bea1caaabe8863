"""Imports point one way, and only the rooms that need a library know it."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_ROOMS = {"tests", "bench", "scripts", "deploy", "build"}

# A room and the rooms that it may import, apart from its own modules; architecture/0001-map.md says
# the same.
MAY_IMPORT = {
    "errors": set[str](),
    "labels": set[str](),
    "sizes": set[str](),
    "settings": {"errors", "settings_records", "settings_secrets"},
    "settings_records": {"settings_logs", "sizes"},
    "settings_logs": {"settings_rollout"},
    "settings_rollout": set[str](),
    "settings_secrets": {"errors"},
    "logs": {"settings", "settings_secrets"},
    "internals": set[str](),
    "internals_metrics": set[str](),
    "internals_supervisor": set[str](),
    "cli": {"errors", "logs", "settings"},
    "cluster": {"errors"},
    "images": {"errors", "internals"},
    "models": {"cli", "errors", "images", "internals", "labels", "settings"},
    "records": {"cli", "errors", "images", "labels", "logs", "settings", "sizes"},
    "keys": {"cli", "errors", "records", "settings"},
    "features": {"cli", "models"},
    "serving": {
        *("errors", "images", "internals", "internals_metrics", "internals_supervisor", "labels"),
        *("logs", "models", "records", "settings", "sizes"),
    },
    "console": {"errors", "images", "labels", "models", "records", "rollout", "settings"},
    "service": {
        *("console", "errors", "internals", "internals_metrics", "internals_supervisor", "logs"),
        *("models", "records", "serving", "settings"),
    },
    "train": {"cli", "cluster", "errors", "images", "labels", "models", "records", "settings"},
    "score": {"cli", "cluster", "errors", "images", "models", "settings"},
    "monitor": {"cli", "errors", "images", "labels", "models", "records", "settings"},
    "rollout": {"cli", "errors", "images", "labels", "models", "records", "settings", "sizes"},
    "pipeline": {
        *("cli", "errors", "images", "labels", "models", "monitor", "records", "rollout"),
        *("settings", "train"),
    },
    "demo": {"cli", "errors", "records", "settings"},
}
# What a module may import besides: commands that know more than their room does.
MAY_IMPORT_TOO = {
    "models.__main__": {"records"},
    "models.comparison": {"records", "rollout"},
    "models.lineage": {"records"},
    "models.offline.succession": {"records"},
    "score.__main__": {"records"},
    "records.__main__": {"models"},
}
# Within a room, from the ground up: no folder imports one that stands after it.
FLOORS = {
    "serving": (
        "http",
        "tracing",
        "inference",
        "recording",
        "routing",
        "keys",
        "oip",
        "labelstudio",
        "grpc",
    ),
    "models": ("", "offline"),
}
KNOW_BENTOML = {"service", "internals", "internals_supervisor"}
TRAINING = {"sklearn", "scipy", "skl2onnx", "onnx", "skops", "matplotlib"}
# The half of models/ that only making a version needs: a server imports nothing of it.
OFFLINE_MODELS = "models.offline"
# What the commands print, by click and rich; a server imports neither.
COMMANDS = ("__main__", "comparison", "lineage", "report")
# What a server imports of the records; migrations, tables and Parquet are for other processes.
HOT_RECORDS = {
    f"records.{name}"
    for name in ("budget", "database", "writer", "labels", "windows", "reports", "keys", "loop")
}
OFFLINE = {"alembic", "click", "rich", "pyarrow", "PIL"}


@dataclass(frozen=True)
class Module:
    """``at_load``: what importing it imports; ``anywhere``: that, and what its functions import."""

    at_load: frozenset[str]
    anywhere: frozenset[str]
    reads_environment: bool


TYPE_CHECKING = {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def statements(body: list[ast.stmt], *, functions: bool) -> Iterator[ast.stmt]:
    """Every statement that runs, with or without those inside functions."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and not functions:
            continue
        if isinstance(statement, ast.If) and ast.unparse(statement.test) in TYPE_CHECKING:
            yield from statements(statement.orelse, functions=functions)
            continue
        for _, inner in ast.iter_fields(statement):
            for part in inner if isinstance(inner, list) else []:
                if isinstance(part, ast.stmt):
                    yield from statements([part], functions=functions)
                elif isinstance(part, ast.ExceptHandler | ast.match_case):
                    yield from statements(part.body, functions=functions)


def imported(body: list[ast.stmt], names: set[str], *, functions: bool) -> frozenset[str]:
    """Dotted names: of the project's modules in full, of libraries as they are written."""
    found: set[str] = set()
    for statement in statements(body, functions=functions):
        if isinstance(statement, ast.Import):
            found.update(alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, "imports are absolute"
            base = statement.module or ""
            whole = [f"{base}.{alias.name}" for alias in statement.names]
            found.update(name if name in names else base for name in whole)
    return frozenset(found)


def reads_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom) and node.module == "os":
        return any(alias.name in {"environ", "getenv"} for alias in node.names)
    return isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}


def read(root: Path) -> dict[str, Module]:
    paths = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in root.rglob("*.py")
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
        and path.relative_to(root).parts[0] not in NOT_ROOMS
    }
    modules = {}
    for name, path in sorted(paths.items()):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules[name] = Module(
            at_load=imported(tree.body, set(paths), functions=False),
            anywhere=imported(tree.body, set(paths), functions=True),
            reads_environment=any(reads_environment(node) for node in ast.walk(tree)),
        )
    return modules


def room(name: str) -> str:
    return name.partition(".")[0]


def loaded(name: str, modules: Mapping[str, Module]) -> set[str]:
    """Everything that importing the module imports, packages on the way included."""
    found: set[str] = set()
    todo = [name]
    while todo:
        one = todo.pop()
        if one in found:
            continue
        found.add(one)
        parts = one.split(".")
        todo += [parent for i in range(1, len(parts)) if (parent := ".".join(parts[:i])) in modules]
        todo += modules[one].at_load if one in modules else []
    return found


def wrong_ways(modules: Mapping[str, Module]) -> list[str]:
    rooms = {room(name) for name in modules}
    return [
        f"{name} imports {other}"
        for name, module in modules.items()
        for other in sorted(module.anywhere)
        if room(other) in rooms - {room(name)}
        and room(other) not in MAY_IMPORT.get(room(name), set()) | MAY_IMPORT_TOO.get(name, set())
    ]


def floor(name: str) -> str:
    """The folder within a room that a module stands in; empty at the room's top."""
    return "" if name.count(".") < 2 else name.split(".")[1]


def imports_of_a_higher_floor(modules: Mapping[str, Module]) -> list[str]:
    return [
        f"{name} imports {other}"
        for name, module in modules.items()
        for other in sorted(module.at_load)
        if room(other) == room(name)
        and (floors := FLOORS.get(room(name), ()))
        and floor(name) in floors
        and floor(other) in floors
        and floors.index(floor(other)) > floors.index(floor(name))
    ]


def bentoml_outside_its_rooms(modules: Mapping[str, Module]) -> list[str]:
    return [
        name
        for name, module in modules.items()
        if name not in KNOW_BENTOML
        and any(room(other).startswith(("bentoml", "_bentoml_")) for other in module.anywhere)
    ]


def training_libraries_on_the_hot_path(modules: Mapping[str, Module]) -> list[str]:
    return [
        f"{name} loads {other}"
        for name in modules
        if room(name) in {"service", "serving", "records", "images", "models", "settings", "errors"}
        and not (name.startswith(OFFLINE_MODELS) or name.endswith(COMMANDS))
        for other in sorted(loaded(name, modules))
        if room(other) in TRAINING or other.startswith(OFFLINE_MODELS)
    ]


def offline_libraries_of_hot_records(modules: Mapping[str, Module]) -> list[str]:
    return [
        f"{name} loads {other}"
        for name in sorted(HOT_RECORDS)
        for other in sorted(loaded(name, modules))
        if room(other) in OFFLINE
    ]


def circle(modules: Mapping[str, Module]) -> list[str]:
    graph = {name: module.at_load & modules.keys() for name, module in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


def readers_of_the_environment(modules: Mapping[str, Module]) -> list[str]:
    return [
        name
        for name, module in modules.items()
        if module.reads_environment and name not in {"settings", "settings_secrets"}
    ]


@pytest.fixture(scope="module")
def project() -> dict[str, Module]:
    modules = read(ROOT)
    assert {"settings", "errors", "images.spec"} <= modules.keys()
    return modules


def test_every_room_is_on_the_map(project: Mapping[str, Module]) -> None:
    assert {room(name) for name in project} <= MAY_IMPORT.keys()


def test_imports_point_one_way(project: Mapping[str, Module]) -> None:
    assert wrong_ways(project) == []


def test_nothing_imports_in_a_circle(project: Mapping[str, Module]) -> None:
    assert circle(project) == []


def test_floors_are_climbed_one_way(project: Mapping[str, Module]) -> None:
    assert {f"{name}.{part}" for name in FLOORS for part in FLOORS[name] if part} <= project.keys()
    assert imports_of_a_higher_floor(project) == []


def test_the_written_map_is_this_one() -> None:
    text = (ROOT / "architecture" / "0001-map.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)(?:/|\.py)` \| .* \| (.*) \|$", text, re.MULTILINE)
    written = {name: set(re.findall(r"`(\w+)`", others)) for name, others in rows}
    assert written == MAY_IMPORT


def test_the_written_exceptions_are_these(project: Mapping[str, Module]) -> None:
    text = (ROOT / "architecture" / "0001-map.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+/\w+)\.py` \| (.*) \|$", text, re.MULTILINE)
    written = {name.replace("/", "."): set(re.findall(r"`(\w+)`", others)) for name, others in rows}
    assert written == MAY_IMPORT_TOO
    assert MAY_IMPORT_TOO.keys() <= project.keys()


def test_every_room_on_the_map_exists() -> None:
    for name in MAY_IMPORT:
        assert (ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file(), name


def test_no_installed_package_owns_a_name_of_ours(project: Mapping[str, Module]) -> None:
    """Whichever stands first on the path would be imported in the other's place."""
    assert {room(name) for name in project}.isdisjoint(packages_distributions())


def test_what_libraries_do_not_document_is_used_in_two_modules() -> None:
    private = re.compile(r"_internal\b|_bentoml_\w+|_model_store=|middleware_stack|\bcircus\b")
    found = [
        str(path.relative_to(ROOT))
        for path in sorted(ROOT.rglob("*.py"))
        if path.relative_to(ROOT).parts[0] not in {"tests", "build", ".venv", ".bench"}
        and private.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["internals.py", "internals_supervisor.py"]


def test_only_service_and_internals_know_bentoml(project: Mapping[str, Module]) -> None:
    assert bentoml_outside_its_rooms(project) == []


def test_the_hot_path_loads_no_training_library(project: Mapping[str, Module]) -> None:
    assert training_libraries_on_the_hot_path(project) == []


def test_what_a_server_needs_of_records_is_light(project: Mapping[str, Module]) -> None:
    assert project.keys() >= HOT_RECORDS
    assert offline_libraries_of_hot_records(project) == []


def test_only_settings_reads_the_environment(project: Mapping[str, Module]) -> None:
    assert readers_of_the_environment(project) == []


def house(tmp_path: Path, files: Mapping[str, str]) -> dict[str, Module]:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return read(tmp_path)


def test_a_wrong_way_is_found_even_inside_a_function(tmp_path: Path) -> None:
    source = "def run():\n    if True:\n        from serving.inference import engine\n"
    modules = house(tmp_path, {"models/store.py": source, "serving/inference/engine.py": ""})
    assert wrong_ways(modules) == ["models.store imports serving.inference.engine"]


def test_an_import_of_the_service_is_found(tmp_path: Path) -> None:
    modules = house(tmp_path, {"serving/inference/engine.py": "import service\n", "service.py": ""})
    assert wrong_ways(modules) == ["serving.inference.engine imports service"]


def test_a_circle_is_found(tmp_path: Path) -> None:
    modules = house(
        tmp_path, {"models/a.py": "from models import b\n", "models/b.py": "import models.a\n"}
    )
    assert set(circle(modules)) == {"models.a", "models.b"}


@pytest.mark.parametrize("source", ["import bentoml.models\n", "from _bentoml_sdk import api\n"])
def test_bentoml_elsewhere_is_found(tmp_path: Path, source: str) -> None:
    modules = house(tmp_path, {"serving/inference/engine.py": source, "internals.py": source})
    assert bentoml_outside_its_rooms(modules) == ["serving.inference.engine"]


@pytest.mark.parametrize(
    "source",
    [
        "import sklearn.svm\n",
        "from scipy import linalg\n",
        "try:\n    import onnx\nexcept ImportError:\n    pass\n",
        "class Deep:\n    import skops.io\n",
    ],
)
def test_a_training_library_is_found_behind_other_modules(tmp_path: Path, source: str) -> None:
    files = {"serving/inference/engine.py": "import models.deep\n", "models/deep.py": source}
    assert training_libraries_on_the_hot_path(house(tmp_path, files))


def test_a_training_library_is_found_in_a_package_on_the_way(tmp_path: Path) -> None:
    files = {"images/__init__.py": "import sklearn\n", "images/spec.py": ""}
    found = training_libraries_on_the_hot_path(house(tmp_path, files))
    assert found == ["images loads sklearn", "images.spec loads sklearn"]


def test_a_migration_behind_a_hot_record_is_found(tmp_path: Path) -> None:
    files = {"records/database.py": "import records.old\n", "records/old.py": "import alembic\n"}
    found = offline_libraries_of_hot_records(house(tmp_path, files))
    assert found == ["records.database loads alembic"]


def test_the_monitor_may_load_a_training_library_and_the_server_not_the_monitor(
    tmp_path: Path,
) -> None:
    modules = house(
        tmp_path,
        {
            "monitor/accuracy/harm.py": "import scipy.stats\n",
            "serving/inference/engine.py": "import monitor.accuracy.harm\n",
        },
    )
    assert training_libraries_on_the_hot_path(modules) == [
        "serving.inference.engine loads scipy.stats"
    ]
    assert wrong_ways(modules) == ["serving.inference.engine imports monitor.accuracy.harm"]


def test_what_only_type_checkers_import_is_no_import(tmp_path: Path) -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sklearn\n"
    assert (
        training_libraries_on_the_hot_path(house(tmp_path, {"serving/inference/engine.py": source}))
        == []
    )


@pytest.mark.parametrize(
    "source",
    ["import os\nx = os.environ['A']\n", "import os\nos.getenv('A')\n", "from os import environ\n"],
)
def test_a_reader_of_the_environment_is_found(tmp_path: Path, source: str) -> None:
    modules = house(tmp_path, {"serving/inference/engine.py": source, "settings.py": source})
    assert readers_of_the_environment(modules) == ["serving.inference.engine"]


def test_an_import_of_a_higher_floor_is_found(tmp_path: Path) -> None:
    files = {
        "serving/http/body.py": "import serving.inference.engine\n",
        "serving/inference/engine.py": "",
    }
    found = imports_of_a_higher_floor(house(tmp_path, files))
    assert found == ["serving.http.body imports serving.inference.engine"]
