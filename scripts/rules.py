"""Prometheus's alerts as the Prometheus Operator takes them: ``python -m scripts.rules``.

``make fix`` runs it. kustomize cannot put a file into an object, so there is a copy, which a test
compares with ``deploy/prometheus/alerts.yaml``.
"""

from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parent.parent
ALERTS: Final = ROOT / "deploy" / "prometheus" / "alerts.yaml"
RULES: Final = ROOT / "deploy" / "kubernetes" / "prometheus" / "rules.yaml"

_HEAD: Final = "# Written by make fix from deploy/prometheus/alerts.yaml.\n"


def prometheus_rule() -> str:
    """The object, in YAML."""
    rules: dict[str, Any] = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "pupila", "labels": {"app.kubernetes.io/component": "server"}},
        "spec": yaml.safe_load(ALERTS.read_text(encoding="utf-8")),
    }
    return _HEAD + yaml.safe_dump(rules, sort_keys=False, width=1000)


def main() -> None:
    RULES.write_text(prometheus_rule(), encoding="utf-8")


if __name__ == "__main__":
    main()
