"""The alerts: right by Prometheus's own tool, in the runbook, and of metrics that there are."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import rules
from tests.deploy.kustomize import build
from tests.deploy.manifests import KUBERNETES, Object, named
from tests.exposed import families, series
from tests.promtool import promtool
from tests.servers import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
CASES = ROOT / "tests" / "deploy" / "alerts.yaml"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
GROUPS: list[dict[str, Any]] = yaml.safe_load(rules.ALERTS.read_text(encoding="utf-8"))["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}

# Not of a server of ours: Prometheus's own, and the blackbox exporter's.
OTHERS = {"up", "probe_ssl_earliest_cert_expiry"}
if sys.platform != "linux":
    # Which only Linux tells.
    OTHERS |= {"pupila_open_fds_ratio"}


def test_prometheus_takes_its_configuration() -> None:
    assert "SUCCESS: 1 rule files found" in promtool(
        "check", "config", PROMETHEUS / "prometheus.yml"
    )


def test_prometheus_takes_the_rules() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", rules.ALERTS)


def test_each_alert_fires_when_it_should_and_not_otherwise() -> None:
    assert "SUCCESS" in promtool("test", "rules", CASES)


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_a_case(name: str) -> None:
    assert f'alertname="{name}"' in CASES.read_text(encoding="utf-8")


def test_each_alert_has_a_section_and_each_section_an_alert() -> None:
    assert re.findall(r"^## (Pupila\w+)$", RUNBOOK, re.MULTILINE) == list(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_where_to_read_on(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"].endswith(".")
    assert alert["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"


@pytest.mark.parametrize("name", ALERTS)
def test_a_section_says_what_it_means_how_to_look_and_what_to_do(name: str) -> None:
    section = RUNBOOK.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\*\*(.+?)\.\*\*", section, re.MULTILINE) == ["Means", "Look", "Do"]
    assert f"({ALERTS[name]['labels']['severity']})" in section


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_each_metric_of_an_expression_exists(rule: dict[str, Any]) -> None:
    named = set(re.findall(r"\b(?:pupila|process|probe)[_:][\w:]+|\bup\b", rule["expr"]))
    assert named
    assert named <= series(old=False) | RECORDED | OTHERS


def test_the_runbook_names_metrics_that_there_are() -> None:
    named = set(re.findall(r"\bpupila_\w+[a-z]\b", RUNBOOK))
    assert named <= series(old=False) | families().keys()


def test_kubernetes_has_the_same_alerts() -> None:
    assert rules.RULES.read_text(encoding="utf-8") == rules.prometheus_rule(), "run make fix"


def test_compose_gives_prometheus_the_alerts() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    mounted = compose["services"]["prometheus"]["volumes"]
    (name,) = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["rule_files"]
    assert f"./deploy/prometheus/{name}:/etc/prometheus/{name}:ro" in mounted


@pytest.fixture
def operated(tmp_path: Path) -> tuple[Object, ...]:
    """An overlay with the component."""
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "pupila",
        "resources": [str(KUBERNETES / "one-machine")],
        "components": [str(KUBERNETES / "prometheus")],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return tuple(build(tmp_path))


def test_the_operator_finds_the_servers(operated: tuple[Object, ...]) -> None:
    monitor = named(operated, "ServiceMonitor")
    service = named(operated, "Service")
    labels = monitor["spec"]["selector"]["matchLabels"]
    assert labels.items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] == service["spec"]["ports"][0]["name"]
    assert endpoint["path"] == "/metrics"
    assert {one["metadata"]["namespace"] for one in (monitor, service)} == {"pupila"}


def test_nobody_needs_the_operator_who_has_not_asked_for_it() -> None:
    for overlay in ("one-machine", "cloud"):
        kinds = {one["kind"] for one in build(KUBERNETES / overlay)}
        assert not kinds & {"ServiceMonitor", "PrometheusRule"}
