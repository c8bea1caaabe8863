"""Cloud Run: the script, and a service that is true of ours."""

import os
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from settings import Settings
from tests.deploy.cloudrun import (
    INSTANCE,
    PLACE,
    call,
    container,
    printed,
    settings_of,
)
from tests.deploy.manifests import check_settings

IMAGE = "europe-west1-docker.pkg.dev/my-project/pupila/pupila:v12"
WHERE = "--project=my-project --region=europe-west1"


@pytest.fixture
def service() -> dict[str, Any]:
    return printed("deploy", "v12", CLOUDSQL_INSTANCE=INSTANCE)[1]


@pytest.fixture
def without_records() -> dict[str, Any]:
    return printed("deploy", "v12", RECORDS="off")[1]


def test_build_pushes_the_image() -> None:
    assert printed("build", "v12")[0] == [
        "make image",
        f"docker tag pupila:latest {IMAGE}",
        f"docker push {IMAGE}",
    ]


def test_deploy_brings_the_database_up_to_date_first() -> None:
    (migrate, replace), service = printed("deploy", "v12", CLOUDSQL_INSTANCE=INSTANCE)
    assert migrate.startswith(f"gcloud run jobs deploy pupila-migrate --image={IMAGE} ")
    assert "--args=python,-m,records,migrate" in migrate
    assert f"--set-cloudsql-instances={INSTANCE}" in migrate
    assert migrate.endswith(f"--execute-now --wait {WHERE}")
    assert replace.startswith("gcloud run services replace ")
    assert container(service)["image"] == IMAGE
    assert service["spec"]["template"]["metadata"]["name"] == "pupila-v12"


def test_traffic_is_split_and_rolled_back() -> None:
    command = f"gcloud run services update-traffic pupila --to-revisions=pupila-{{}} {WHERE}"
    assert printed("traffic", "v12", "10")[0] == [command.format("v12=10")]
    assert printed("rollback", "v11")[0] == [command.format("v11=100")]


@pytest.mark.parametrize(
    ("serving", "traffic"),
    [
        ("", {None: 100}),
        ("pupila-v11,100\n", {"pupila-v11": 100, None: 0}),
        (
            "pupila-v10,75\npupila-v11,25\npupila-v9,\n",
            {"pupila-v10": 75, "pupila-v11": 25, None: 0},
        ),
    ],
    ids=["the first", "one before", "two before"],
)
def test_a_new_revision_takes_no_traffic_from_those_that_have_it(
    tmp_path: Path, serving: str, traffic: dict[str | None, int]
) -> None:
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(
        f"#!/bin/sh\ncase $* in\n*' list '*) printf '{'pupila' if serving else ''}' ;;\n"
        f"*describe*) printf '{serving}' ;;\n*replace*) cat \"$4\" ;;\nesac\n"
    )
    gcloud.chmod(0o755)
    done = call("deploy", "v12", path=f"{tmp_path}:{os.environ['PATH']}", **PLACE, RECORDS="off")
    assert done.returncode == 0, done.stderr
    targets = yaml.safe_load(done.stdout)["spec"]["traffic"]
    assert {one.get("revisionName"): one["percent"] for one in targets} == traffic
    assert targets[-1] == {
        "latestRevision": True,
        "tag": "candidate",
        "percent": traffic[None],
    }


@pytest.mark.parametrize("failing", ["list", "describe"])
def test_where_traffic_goes_must_be_known(tmp_path: Path, failing: str) -> None:
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(f"#!/bin/sh\ncase $* in *' {failing} '*) exit 1 ;; esac\necho pupila\n")
    gcloud.chmod(0o755)
    done = call("deploy", "v12", path=f"{tmp_path}:{os.environ['PATH']}", **PLACE, RECORDS="off")
    assert done.returncode == 1
    assert not done.stdout


def test_an_image_on_a_stand_in_is_never_pushed(tmp_path: Path) -> None:
    pushed = tmp_path / "pushed"
    for name, script in {
        "make": "exit 0",
        "docker": f'case $* in image*) echo true ;; push*) : >"{pushed}" ;; esac',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    done = call("build", "v12", path=f"{tmp_path}:{os.environ['PATH']}", **PLACE)
    assert done.returncode == 2
    assert "stand-in" in done.stderr
    assert not pushed.exists()


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (("deploy", "v12"), PLACE, "CLOUDSQL_INSTANCE"),
        (("deploy", "v12"), {}, "Set PROJECT"),
        (("deploy", "V1.2"), PLACE, "lower-case"),
        (("deploy",), PLACE, "rollback <version>"),
        (("traffic", "v12"), PLACE, "rollback <version>"),
        (("delete", "v12"), PLACE, "rollback <version>"),
    ],
)
def test_what_is_missing_is_said(
    arguments: tuple[str, ...], variables: dict[str, str], words: str
) -> None:
    done = call("--dry-run", *arguments, **variables)
    assert done.returncode == 2
    assert words in done.stderr
    assert not done.stdout


def test_nothing_is_left_to_be_put_in(
    service: dict[str, Any], without_records: dict[str, Any]
) -> None:
    for one in (service, without_records):
        for word in ("VERSION", "IMAGE", "PROJECT", "CLOUDSQL_INSTANCE", "RECORDS", "SECRET"):
            assert word not in str(one)


def test_probes_ask_for_what_the_service_answers(
    service: dict[str, Any], in_process: httpx2.Client
) -> None:
    server = container(service)
    (port,) = server["ports"]
    assert port == {"name": "http1", "containerPort": 8080}
    for kind, path in {"startupProbe": "/readyz", "livenessProbe": "/livez"}.items():
        assert server[kind]["httpGet"] == {"path": path, "port": 8080}
        # Cloud Run's own bounds.
        assert server[kind]["timeoutSeconds"] <= server[kind]["periodSeconds"]
        assert in_process.get(path).status_code == 200
    probe = server["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] <= 240


def test_records_are_in_cloud_sql(service: dict[str, Any]) -> None:
    template = service["spec"]["template"]
    annotations = template["metadata"]["annotations"]
    assert annotations["run.googleapis.com/cloudsql-instances"] == INSTANCE
    # They are written after the answer, when there may be no request that gives it the CPU.
    assert annotations["run.googleapis.com/cpu-throttling"] == "false"
    (url,) = (one for one in container(service)["env"] if one["name"] == "PUPILA_DATABASE_URL")
    assert url["valueFrom"] == {"secretKeyRef": {"name": "pupila-database-url", "key": "1"}}
    assert settings_of(service)["PUPILA_RECORD"] == "true"


def test_the_secret_s_version_is_a_number_that_stays() -> None:
    (migrate, _), service = printed("deploy", "v12", CLOUDSQL_INSTANCE=INSTANCE, SECRET="7")
    assert "--set-secrets=PUPILA_DATABASE_URL=pupila-database-url:7 " in migrate
    (url,) = (one for one in container(service)["env"] if one["name"] == "PUPILA_DATABASE_URL")
    assert url["valueFrom"]["secretKeyRef"]["key"] == "7"
    done = call("--dry-run", "deploy", "v12", CLOUDSQL_INSTANCE=INSTANCE, SECRET="latest", **PLACE)
    assert done.returncode == 2
    assert "SECRET is the number of a version of the secret" in done.stderr


def test_or_there_are_none(service: dict[str, Any], without_records: dict[str, Any]) -> None:
    assert settings_of(without_records)["PUPILA_RECORD"] == "false"
    assert "PUPILA_DATABASE_URL" not in str(without_records)
    assert "cloudsql" not in str(without_records)
    # In no case in a file.
    for one in (service, without_records):
        assert settings_of(one)["PUPILA_HOME"] == "/nowhere"


def test_settings_are_ours_and_right(service: dict[str, Any]) -> None:
    given = settings_of(service)
    check_settings(given)
    server, spec = container(service), service["spec"]["template"]["spec"]
    assert server["resources"]["limits"] == {"cpu": given["PUPILA_WORKERS"], "memory": "512Mi"}
    held = int(given["PUPILA_MAX_HELD_BYTES"]) + Settings().record_buffer_bytes
    # As measured under load: 300 MiB.
    assert 300 * 2**20 + held < 512 * 2**20
    assert spec["containerConcurrency"] <= Settings().queue_size
    assert spec["timeoutSeconds"] * 1000 > Settings.model_fields["deadline_ms"].default
