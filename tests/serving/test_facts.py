"""What a worker tells of its server."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from records.key import Key
from serving.facts import Facts
from serving.keys.keyring import Keyring

NOW = datetime.now(UTC)


def key(name: str, **changes: Any) -> Key:
    return Key(name, name.encode().ljust(32), ("predict",), NOW, **changes)


def told(
    keys: Iterable[Key] = (), certificate: float | None = None, fetched: Path = Path("/nowhere")
) -> dict[str, list[Any]]:
    ring = Keyring()
    ring.replace(keys)
    facts = Facts(lambda: "b1", ring, fetched)
    facts.certificate = certificate
    models = [
        SimpleNamespace(name="clf", champion="clf:v1", challenger="clf:v2"),
        SimpleNamespace(name="lone", champion="lone:v3", challenger=None),
    ]
    facts.bind(SimpleNamespace(catalog=lambda: models))  # type: ignore[arg-type]
    return {family.name: [*family.samples] for family in facts.families()}


def test_who_answers_and_who_is_on_trial() -> None:
    labels = [sample.labels for sample in told()["pupila_model"]]
    assert labels == [
        {"model": "clf", "role": "champion", "version": "v1"},
        {"model": "clf", "role": "challenger", "version": "v2"},
        {"model": "lone", "role": "champion", "version": "v3"},
    ]


def test_what_runs() -> None:
    (build,) = told()["pupila_build"]
    assert build.labels.keys() == {"version", "python", "bentoml", "onnxruntime"}
    assert build.labels["version"] == "b1"


def test_the_next_key_to_expire() -> None:
    soon, later = NOW + timedelta(days=3), NOW + timedelta(days=9)
    keys = [
        key("never"),
        key("over", expires_at=NOW - timedelta(days=1)),
        key("revoked", expires_at=NOW + timedelta(days=1), revoked_at=NOW),
        key("later", expires_at=later),
        key("soon", expires_at=soon),
    ]
    (expiry,) = told(keys)["pupila_key_expiry_timestamp_seconds"]
    assert expiry.value == soon.timestamp()
    assert told([key("never")])["pupila_key_expiry_timestamp_seconds"] == []


def test_the_certificate_if_there_is_one() -> None:
    (expiry,) = told(certificate=12.0)["pupila_certificate_expiry_timestamp_seconds"]
    assert expiry.value == 12.0
    assert told()["pupila_certificate_expiry_timestamp_seconds"] == []


def test_when_versions_were_fetched_if_they_are(tmp_path: Path) -> None:
    file = tmp_path / "pupila-fetched"
    assert told(fetched=file)["pupila_versions_fetched_timestamp_seconds"] == []
    file.touch()
    os.utime(file, (12, 12))
    (fetched,) = told(fetched=file)["pupila_versions_fetched_timestamp_seconds"]
    assert fetched.value == 12
