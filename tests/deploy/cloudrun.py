"""What the script for Cloud Run does, and what it tells Cloud Run."""

import os
import subprocess
from collections.abc import Mapping
from typing import Any

import yaml

from tests.servers import ROOT

SCRIPT = ROOT / "deploy" / "cloudrun" / "run"
PLACE = {"PROJECT": "my-project", "REGION": "europe-west1", "REPOSITORY": "pupila"}
INSTANCE = "my-project:europe-west1:records"


def call(
    *arguments: str, path: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """The script's run, with nothing said of a place but ``variables``."""
    mine = {name: value for name, value in os.environ.items() if name not in {*PLACE, "RECORDS"}}
    return subprocess.run(
        [SCRIPT, *arguments],
        env=mine | variables | ({"PATH": path} if path else {}),
        capture_output=True,
        text=True,
        check=False,
    )


def printed(*arguments: str, **variables: str) -> tuple[list[str], dict[str, Any]]:
    """The commands that a dry run prints, and the service that it would be."""
    done = call("--dry-run", *arguments, **PLACE, **variables)
    assert done.returncode == 0, done.stderr
    commands, comment, service = done.stdout.partition("# Pupila on Cloud Run")
    return commands.splitlines(), yaml.safe_load(comment + service) or {}


def container(service: Mapping[str, Any]) -> dict[str, Any]:
    (only,) = service["spec"]["template"]["spec"]["containers"]
    return dict(only)


def settings_of(service: Mapping[str, Any]) -> dict[str, str]:
    """The variables that have a value here."""
    return {one["name"]: one["value"] for one in container(service)["env"] if "value" in one}
