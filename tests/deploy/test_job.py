"""The script that runs a command as a retraining runs, with a kubectl that only notes its calls."""

import json
import os
import subprocess
from pathlib import Path

from tests.deploy.manifests import KUBERNETES

JOB = {"spec": {"template": {"spec": {"containers": [{"name": "retrain", "args": ["python"]}]}}}}


def call(tmp_path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        f"#!/bin/sh\ncase $* in\n*create*) echo '{json.dumps(JOB)}' ;;\n"
        f"*apply*) cat >'{tmp_path}/applied' ;;\n"
        f"*'get pod'*) echo pod/one ;;\nesac\necho \"$*\" >>'{tmp_path}/calls'\n"
    )
    kubectl.chmod(0o755)
    return subprocess.run(
        [KUBERNETES / "job", *command],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_job_is_the_retraining_s_with_another_command(tmp_path: Path) -> None:
    command = ("sh", "-c", "python -m records delete 'a \"b\"' && true")
    done = call(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    (container,) = json.loads((tmp_path / "applied").read_text())["spec"]["template"]["spec"][
        "containers"
    ]
    assert container == {"name": "retrain", "args": list(command)}
    create, apply, _pods, _wait, logs = (tmp_path / "calls").read_text().splitlines()
    assert "--from=cronjob/pupila-retrain --dry-run=client" in create
    assert apply.startswith("-n pupila apply")
    assert logs.startswith("-n pupila logs -f job/pupila-job-")


def test_without_a_command_it_says_how_to_call_it(tmp_path: Path) -> None:
    done = call(tmp_path)
    assert done.returncode == 2
    assert "deploy/kubernetes/job sh -c 'python -m train &&" in done.stderr
    assert not (tmp_path / "calls").exists()
