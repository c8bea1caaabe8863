"""What ``bentoml deploy -f`` is given, by BentoML's own schema of it."""

from typing import Any

import pytest
import yaml
from bentoml._internal.cloud.schemas.modelschemas import DeploymentStrategy
from bentoml._internal.cloud.schemas.schemasv2 import CreateDeploymentSchema
from bentoml._internal.utils.cattr import bentoml_cattr

from tests.deploy.manifests import check_settings
from tests.servers import ROOT


@pytest.fixture
def deployment() -> dict[str, Any]:
    path = ROOT / "deploy" / "bentocloud.yaml"
    written: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return written


def understood(written: dict[str, Any]) -> Any:
    """What BentoML sends to BentoCloud: without what it does not know, for it refuses nothing."""
    structured = bentoml_cattr.structure(written, CreateDeploymentSchema)
    return bentoml_cattr.unstructure(structured)


def test_bentoml_understands_every_word(deployment: dict[str, Any]) -> None:
    assert understood(deployment) == deployment


def test_a_word_that_bentoml_does_not_know_would_be_noticed(deployment: dict[str, Any]) -> None:
    deployment["services"]["pupila"]["replicas"] = 3
    assert understood(deployment) != deployment


def test_it_deploys_this_service(deployment: dict[str, Any]) -> None:
    bentofile = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))
    (name,) = deployment["services"]
    assert name == deployment["name"] == bentofile["name"]
    assert (ROOT / deployment["bento"] / "bentofile.yaml").is_file()
    strategies = {strategy.value for strategy in DeploymentStrategy}
    assert deployment["services"][name]["deployment_strategy"] in strategies


def test_its_settings_are_ours_and_right(deployment: dict[str, Any]) -> None:
    check_settings({env["name"]: env["value"] for env in deployment["envs"]})


def test_the_database_is_named_by_a_secret_alone(deployment: dict[str, Any]) -> None:
    assert deployment["secrets"] == ["pupila-database"]
    assert "PUPILA_DATABASE_URL" not in {env["name"] for env in deployment["envs"]}
