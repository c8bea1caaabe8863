"""The files of the stack agree with each other, with the settings and with the metrics."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.generated import variables
from settings import Settings
from tests.exposed import kept, series

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "pupila.json").read_bytes())
PROMETHEUS = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]

# What every container of the stack has settled.
SETTLED = {"PORT", "PUPILA_HOME", "PUPILA_DATABASE_URL", "PUPILA_LOG_LEVEL"}
# What is in a file in its place.
IN_A_FILE = {
    "PUPILA_DATABASE_PASSWORD", "PUPILA_CONSOLE_SECRET", "PUPILA_LABELSTUDIO_TOKEN",
    "PUPILA_MLFLOW_PASSWORD", "PUPILA_MLFLOW_TOKEN", "PUPILA_TRACING_HEADERS",
}  # fmt: skip
# What only those are told who call it: chat programs keep a secret in it.
WEBHOOK = {"PUPILA_WEBHOOK_URL"}
CALLERS = {"monitor", "guard"}
OURS = ("api", "migrate", "monitor", "retrain", "guard", "prune")
OWNERS = {"migrate", "prune", "postgres"}
# What Compose itself reads.
COMPOSES = {"COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"}
# How keys are used, which is no secret.
ABOUT_KEYS = {"PUPILA_KEYS_FILE", "PUPILA_REQUIRE_KEYS"}
SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|KEY(S|$)")


def example() -> dict[str, str]:
    """The example's variables, those in comments too."""
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.MULTILINE))


def test_the_example_names_every_variable_and_no_other() -> None:
    substituted = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))
    passed_on = {name for name, value in environment("monitor").items() if value is None}
    assert example().keys() == substituted | passed_on | COMPOSES


def environment(service: str) -> dict[str, str | None]:
    found: dict[str, str | None] = COMPOSE["services"][service]["environment"]
    return found


@pytest.mark.parametrize("service", OURS)
def test_every_setting_reaches_the_container(service: str) -> None:
    wanted = variables(Settings).keys() - IN_A_FILE - (set() if service in CALLERS else WEBHOOK)
    assert {name for name in environment(service) if name in variables(Settings)} == wanted
    given = {name for name, value in environment(service).items() if value is not None}
    assert given & variables(Settings).keys() == SETTLED


def test_the_example_has_the_settings_defaults() -> None:
    shown = example()
    for name, field in variables(Settings).items():
        if name not in SETTLED | IN_A_FILE:
            default = field.get_default()
            text = str(default).lower() if isinstance(default, bool) else str(default or "")
            assert shown[name] == text, name


def test_nothing_secret_has_a_default() -> None:
    secrets = {name for name in example() if SECRET.search(name)} - ABOUT_KEYS - {"SECRETS"}
    # Trusted keys are public ones.
    assert secrets == {"PUPILA_TRUSTED_KEYS"}
    assert example()["PUPILA_TRUSTED_KEYS"] == ""


def test_passwords_are_files_that_only_those_get_who_need_them() -> None:
    needed = {name: set(one.get("secrets", [])) for name, one in COMPOSE["services"].items()}
    assert {name for name, one in needed.items() if "owner" in one} == OWNERS
    serving = {"api", "monitor", "retrain", "guard"}
    assert {name for name, one in needed.items() if "server" in one} == serving | {"postgres"}
    assert {name for name, one in needed.items() if "grafana" in one} == {"grafana"}
    for name in OURS:
        role = "owner" if name in OWNERS else "server"
        assert environment(name)["PUPILA_DATABASE_PASSWORD_FILE"] == f"/run/secrets/{role}"
        user = "pupila" if name in OWNERS else "pupila_server"
        assert environment(name)["PUPILA_DATABASE_URL"] == f"postgresql://{user}@postgres/pupila"
    for one in COMPOSE["secrets"].values():
        assert one["file"].startswith("${SECRETS:?run make .env, which creates the passwords}/")


def test_make_writes_settings_and_passwords_for_their_user_alone(tmp_path: Path) -> None:
    for name in ("Makefile", ".env.example"):
        shutil.copy(ROOT / name, tmp_path)
    subprocess.run(["make", ".env"], cwd=tmp_path, capture_output=True, check=True)
    written = {
        path.relative_to(tmp_path): path.read_text(encoding="utf-8")
        for path in (tmp_path / ".env", *(tmp_path / ".secrets").iterdir())
    }
    assert written.pop(Path(".env")) == EXAMPLE
    assert {path.name for path in written} == COMPOSE["secrets"].keys()
    assert len(set(written.values())) == len(written)
    for path, password in written.items():
        assert re.fullmatch(r"[0-9a-f]{48}", password), path
        # Containers run as other users; whoever else is on this machine cannot enter the folder.
        assert (tmp_path / path).stat().st_mode & 0o777 == 0o444
    assert (tmp_path / ".secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    (tmp_path / ".env").unlink()
    subprocess.run(["make", ".env"], cwd=tmp_path, capture_output=True, check=True)
    assert {path: (tmp_path / path).read_text() for path in written} == written


def test_the_password_of_an_older_env_becomes_the_owner_s(tmp_path: Path) -> None:
    for name in ("Makefile", ".env.example"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD='it$#s'\nAPI_PORT=9000\n")
    subprocess.run(["make", "secrets"], cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / ".secrets" / "owner").read_text() == "it$#s"
    assert (tmp_path / ".env").read_text().endswith("API_PORT=9000\nSECRETS=./.secrets\n")


def test_a_missing_image_is_never_built_but_explained() -> None:
    ours = [service for service in COMPOSE["services"].values() if "pupila" in service["image"]]
    assert len(ours) == len(OURS)
    assert {service["build"] for service in ours} == {"./deploy/compose"}
    dockerfile = (DEPLOY / "compose" / "Dockerfile").read_text(encoding="utf-8")
    assert "Build it with make image, then try again.}" in dockerfile.splitlines()[-1]


def test_only_profiles_bring_tls_metrics_and_dashboard() -> None:
    always = {name for name, one in COMPOSE["services"].items() if "profiles" not in one}
    assert always == {*OURS, "postgres"}


def test_each_task_of_the_loop_has_a_container() -> None:
    commands = {name: COMPOSE["services"][name].get("command", []) for name in OURS}
    tasks = {name: re.findall(r"--task (\w+)", " ".join(one)) for name, one in commands.items()}
    loop = {name: found for name, found in tasks.items() if found}
    assert loop == {name: [name] for name in ("monitor", "retrain", "guard")}


def test_a_retraining_is_held_back_for_the_service() -> None:
    retrain = COMPOSE["services"]["retrain"]
    assert retrain["mem_limit"] == "${RETRAIN_MEMORY:-2g}"
    assert retrain["cpus"] == "${RETRAIN_CPUS:-1}"
    # Of 1024, which every other has.
    assert retrain["cpu_shares"] < 1024
    assert retrain["oom_score_adj"] > 0


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_service_is_hardened(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == ("on-failure" if name == "migrate" else "unless-stopped")


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_service_is_limited_and_checked(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service.keys() >= {"cpus", "mem_limit"}
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    if name == "migrate":
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize("name", sorted(COMPOSE["services"].keys() - {"tls"}))
def test_only_tls_is_published_to_others(name: str) -> None:
    ports = COMPOSE["services"][name].get("ports", [])
    assert all(port.startswith(("127.0.0.1:", "${API_PORT:-127.0.0.1:")) for port in ports)


def test_what_is_mounted_is_there() -> None:
    mounts = re.findall(r"- (\./\S+?):", TEXT)
    assert mounts
    assert all((ROOT / mount).exists() for mount in mounts)


def test_no_expression_names_a_metric_that_is_not_ours() -> None:
    named = {name for one in EXPRESSIONS for name in re.findall(r"\bpupila_\w+", one)}
    # Those of the last release will go.
    assert named <= series(old=False)


def test_every_metric_of_ours_is_shown() -> None:
    text = " ".join(EXPRESSIONS)
    assert [name for name in sorted(kept()) if name not in text] == []


def test_rates_are_over_what_grafana_knows_of_the_scrapes() -> None:
    source = (DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text()
    (found,) = yaml.safe_load(source)["datasources"]
    assert found["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]
    assert all("[$__rate_interval]" in one for one in EXPRESSIONS if "rate(" in one)


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
