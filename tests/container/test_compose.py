"""The stack at work: the contract, a database that goes away, what the dashboard shows."""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.compose import Program, Stack, programs, run, stack, write_env, write_secrets
from tests.container.conftest import FIGURES
from tests.load import Load
from tests.servers import DEADLINE_MS, ROOT

# The contract with clients, by the fixture client below.
from tests.test_service import *  # noqa: F403
from tests.waiting import PATIENCE_SECONDS, until

DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "pupila.json").read_bytes())
BODY = (ROOT / "tests" / "data" / "predict_digit8.json").read_bytes()
DIGIT8 = json.loads(BODY)
JOBS = ("monitor", "retrain", "guard", "prune")
SERVICES = ("api", *JOBS, "postgres", "prometheus")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "program" in metafunc.fixturenames:
        metafunc.parametrize("program", programs(), ids=" ".join)


@pytest.fixture(scope="module")
def running(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if not programs():
        why = "There is no Compose: install Compose v2 or docker-compose 1.29."
        pytest.fail(why) if os.environ.get("REQUIRE_CONTAINER") == "1" else pytest.skip(why)
    folder = tmp_path_factory.mktemp("stack")
    # Time enough for 256 images while the others work too, and few places; and rejected images are
    # kept whole: of 64 KiB each, not as many are kept in two minutes as fill the memory for them.
    with stack(
        folder,
        image,
        PUPILA_DEADLINE_MS=DEADLINE_MS,
        PUPILA_QUEUE_SIZE=512,
        PUPILA_WORKERS=2,
        PUPILA_RECORD_ORIGINALS="true",
    ) as ready:
        yield ready


@pytest.fixture(scope="module")
def client(running: Stack) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=running.url, timeout=PATIENCE_SECONDS) as asking:
        yield asking


@pytest.fixture(scope="module")
def labelled(client: httpx2.Client) -> httpx2.Response:
    """The answer to the label of a prediction."""
    body = DIGIT8 | {"request_id": "labelled"}
    assert client.post("/predict/", json=body).status_code == 200
    return client.post("/feedback/", json={"request_id": "labelled", "label": 8})


@pytest.fixture(scope="module")
def refused(running: Stack) -> httpx2.Response:
    """An answer of 503 to one of too many requests."""
    items = [{"request_id": str(i), "image": DIGIT8["image"]} for i in range(256)]
    body = json.dumps({"model": "clf", "items": items})

    def ask(_: int) -> httpx2.Response:
        return httpx2.post(f"{running.url}/predict/batch/", content=body, timeout=PATIENCE_SECONDS)

    with ThreadPoolExecutor(16) as clients:
        for response in clients.map(ask, range(320)):
            if response.status_code == 503:
                clients.shutdown(cancel_futures=True)
                return response
    raise AssertionError("512 places were enough for 16 clients with 256 images each")


@pytest.fixture(scope="module")
def outage(running: Stack, client: httpx2.Client) -> dict[str, Any]:
    """What the service answered while PostgreSQL was away, and when it was back."""
    image = base64.b64encode(bytes(4_000_000)).decode()
    seen: dict[str, Any] = {}
    running.compose("stop", "postgres")
    seen["predict"] = client.post("/predict/", json=DIGIT8 | {"request_id": "away"})
    seen["readyz"] = client.get("/readyz")
    seen["feedback"] = client.post("/feedback/", json={"request_id": "away", "label": 8})
    # 32 MiB, which a worker keeps until the database is back, are full of no images.
    until(
        lambda: (
            client.post("/predict/", json=DIGIT8 | {"image": image}).status_code == 400
            and running.metric("pupila_records_dropped_total")
        ),
        "records dropped",
    )
    running.compose("start", "postgres")
    until(
        lambda: (
            client.post("/feedback/", json={"request_id": "away", "label": 8}).status_code == 200
        ),
        "the label of what was predicted meanwhile",
    )
    return seen


@pytest.fixture(scope="module")
def reported(running: Stack, outage: object) -> str:
    """What the monitor said when it was asked to look."""
    looked = run(
        running.program, running.env, "exec", "-T", "monitor", "python", "-m", "monitor", "run"
    )
    assert looked.returncode in {0, 3}, looked.stderr
    return looked.stdout


@pytest.fixture(scope="module")
def asked(running: Stack, outage: object) -> str:
    """What the loop said when labels were asked for, and a model retrained that cannot be."""
    inside = ("exec", "-T", "retrain", "python", "-m", "pipeline")
    running.compose(*inside, "ask")
    done = run(running.program, running.env, *inside, "retrain")
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_the_file_is_valid(program: Program, tmp_path: Path) -> None:
    env = write_env(tmp_path / ".env")
    for profile in ("", "tls", "metrics", "dashboard"):
        done = run(program, env, *(["--profile", profile] if profile else []), "config")
        assert done.returncode == 0, done.stderr
        assert "warn" not in done.stderr.lower(), done.stderr


def test_no_password_is_no_stack(program: Program, tmp_path: Path) -> None:
    env = write_env(tmp_path / ".env", SECRETS="")
    done = run(program, env, "config")
    assert done.returncode != 0
    assert "run make .env, which creates the passwords" in done.stderr


def test_without_the_image_it_says_how_to_build_it(program: Program, tmp_path: Path) -> None:
    secrets = write_secrets(tmp_path / "secrets")
    env = write_env(tmp_path / ".env", SECRETS=secrets, API_IMAGE="pupila:missing")
    done = run(program, env, "up", "--detach", "--no-deps", "api")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "not found. Build it with make image, then try again." in said


def test_the_stack_is_found_in_the_root(program: Program) -> None:
    done = subprocess.run(
        [*program, "config", "--services"],
        cwd=ROOT,
        env=os.environ | {"SECRETS": "./.secrets"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"api", "migrate", *JOBS, "postgres"} <= set(done.stdout.split())


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_is_hardened(running: Stack, service: str) -> None:
    inspected = running.inspect(service)
    host = inspected["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert inspected["Config"]["User"] not in {"", "root", "0"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_is_healthy_and_limited(running: Stack, service: str) -> None:
    running.wait_for(service)
    host = running.inspect(service)["HostConfig"]
    assert host["Memory"] > 0
    assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}


@pytest.mark.parametrize("service", SERVICES)
def test_no_password_is_in_an_environment(running: Stack, service: str) -> None:
    assert "a@b:c/d%e" not in json.dumps(running.inspect(service)["Config"])


def test_the_schema_was_made_by_its_owner_and_is_not_the_service_s(running: Stack) -> None:
    assert running.inspect("migrate")["State"]["ExitCode"] == 0
    as_server = "SET ROLE pupila_server; "
    for statement in (
        "DROP TABLE labels",
        "TRUNCATE audit",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "CREATE TABLE mine (id int)",
    ):
        with pytest.raises(AssertionError, match=r"must be owner|permission denied"):
            running.sql(as_server + statement)


def test_the_database_is_not_reached_from_outside(running: Stack) -> None:
    settings = running.inspect("postgres")["NetworkSettings"]
    assert not any(settings["Ports"].values())
    (network,) = settings["Networks"]
    assert network.endswith("_records")


def test_a_restart_of_postgres_under_load_fails_no_prediction(running: Stack) -> None:
    before = running.counted()
    dropped = running.metric("pupila_records_dropped_total")
    with Load(running.url, BODY) as load:
        load.wait_for(200)
        running.compose("restart", "postgres")
        load.wait_for(200)
    assert load.outcomes.keys() == {200}
    answered = load.outcomes[200]
    # All are counted, those answered meanwhile too, and nothing is lost that was to be kept.
    until(lambda: running.counted() == before + answered, f"{answered} predictions counted")
    assert running.metric("pupila_records_dropped_total") == dropped
    FIGURES["restart of PostgreSQL under load"] = (
        f"{answered} predictions, none failed or uncounted"
    )


def test_a_killed_postgres_under_load_fails_no_prediction(running: Stack) -> None:
    with Load(running.url, BODY) as load:
        load.wait_for(200)
        running.compose("kill", "postgres")
        load.wait_for(200)
        running.compose("start", "postgres")
        load.wait_for(200)
    assert load.outcomes.keys() == {200}


def test_without_postgres_it_predicts(outage: dict[str, Any]) -> None:
    assert outage["predict"].json() == {"request_id": "away", "prediction": 8}
    assert outage["readyz"].status_code == 200
    assert outage["feedback"].status_code == 503
    assert int(outage["feedback"].headers["retry-after"]) > 0


def test_a_label_is_kept(running: Stack, labelled: httpx2.Response) -> None:
    assert labelled.status_code == 200
    assert running.sql("SELECT count(*) FROM labels WHERE request_id = 'labelled'") == 1


def test_the_monitor_reports(running: Stack, reported: str) -> None:
    assert reported
    assert running.sql("SELECT count(*) FROM reports WHERE model = 'clf'") > 0


def test_the_champion_of_the_image_cannot_be_retrained_and_says_so(asked: str) -> None:
    assert "train a version here with python -m train --data FOLDER --name clf" in asked


@pytest.mark.parametrize("job", JOBS)
def test_every_job_goes_on(running: Stack, job: str) -> None:
    inspected = running.inspect(job)
    assert inspected["State"]["Running"]
    assert inspected["RestartCount"] == 0, running.compose("logs", job)


def test_prometheus_reaches_the_service(running: Stack) -> None:
    (target,) = running.ask("targets")["activeTargets"]
    assert target["health"] == "up", target


def test_prometheus_has_the_alerts_and_none_of_them_is_wrong(running: Stack) -> None:
    rules = [rule for group in running.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} > {"PupilaDown", "PupilaErrorsFast"}
    assert not [rule["lastError"] for rule in rules if rule.get("lastError")]


UNSEEN = re.compile(r"pupila_(?:rollout|retraining|versions_fetched|extractor|answers)_\w+")
TARGETS = [
    pytest.param(target["expr"], target["legendFormat"], id=panel["title"])
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
    # In these containers nothing is retrained, rolled out or fetched, and no version has an
    # extractor: see the test of the names.
    if not UNSEEN.search(target["expr"])
]


@pytest.mark.usefixtures("labelled", "refused", "outage", "reported", "asked")
@pytest.mark.parametrize("model", [".*", "clf"])
@pytest.mark.parametrize(("expression", "legend"), TARGETS)
def test_every_panel_shows_something(
    running: Stack, expression: str, legend: str, model: str
) -> None:
    # As Grafana fills them in: a rate is of four scrapes at least.
    chosen = {"$model": model, "$version": ".*", "$__rate_interval": "20s"}
    for name, value in chosen.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    named = set(re.findall(r"{{(\w+)}}", legend))

    def shown() -> bool:
        return any(named <= labels.keys() for labels in running.graph(expression))

    # The service reads the newest reports twice a minute.
    until(shown, expression)


def test_the_panels_that_are_not_seen_name_metrics_that_there_are() -> None:
    source = "".join((ROOT / "serving" / f"{one}.py").read_text() for one in ("metrics", "facts"))
    shown = UNSEEN.findall(json.dumps(DASHBOARD))
    assert shown
    for name in shown:
        plain = re.sub("_(total|sum|count|bucket)$", "", name)
        assert f'"{plain}"' in source, name


def test_the_dashboard_tells_models_and_versions_apart(running: Stack) -> None:
    shown = running.graph("sum by (model, version) (rate(pupila_requests_total[20s]))")
    assert {"clf", "shapes", "old"} <= {labels.get("model") for labels in shown}


@pytest.mark.parametrize("variable", ["model", "version"])
def test_every_variable_has_values(running: Stack, variable: str) -> None:
    (found,) = [one for one in DASHBOARD["templating"]["list"] if one["name"] == variable]
    inside = found["query"]["query"].removeprefix("label_values(").removesuffix(")")
    metric, _, label = inside.replace("$model", "clf").rpartition(", ")
    assert label == variable
    assert any(running.ask(f"label/{label}/values", **{"match[]": metric}))


def test_predictions_outlive_the_stack(running: Stack) -> None:
    before = running.counted()
    running.compose("down")
    running.compose("up", "--detach", "api")
    running.wait_for("postgres")
    assert running.counted() >= before > 0
