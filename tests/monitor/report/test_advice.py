import json
import shlex
from pathlib import Path

import pytest

from images.spec import ImageSpec
from models.store import Store
from monitor.inspection import keep as save
from monitor.inspection import look
from monitor.quality.check import THRESHOLDS
from monitor.report.advice import HINTS, Step, steps
from monitor.window.version import MonitoredVersion
from records.database import Database
from tests.drafts import LinearDraft
from tests.monitor.production import HOUR, NOON, Pixels, Production, keep, say, turned
from train.dataset import split
from train.digits import load_digits
from train.fit import train


def advice(database: Database, production: Production, *windows: Pixels) -> tuple[Step, ...]:
    """After the last of some windows, one an hour."""
    subject = MonitoredVersion.of(production.version)
    for hour, pixels in enumerate(windows):
        end = NOON + hour * HOUR
        keep(database, production.version, pixels, at=end, prefix=f"'{hour}; rm -rf ")
        findings = look(database, subject, end - HOUR, end)
        save(database, findings)
    return steps(findings)


def commands(found: tuple[Step, ...]) -> list[list[str]]:
    """As a shell would take them."""
    return [shlex.split(step.command) for step in found if step.command]


def test_a_calm_window_asks_for_nothing(production: Production, database: Database) -> None:
    (step,) = advice(database, production, production.images(0))
    assert step.text.startswith("Nothing.")
    assert step.command == "python -m monitor watch --every 1h"


def test_an_alarm_says_label_then_train(production: Production, database: Database) -> None:
    found = advice(database, production, turned(production.images(0)), turned(production.images(1)))
    curl, export, train = commands(found)
    body = json.loads(curl[3])
    assert curl[:3] == ["curl", "http://localhost:8000/feedback/", "-d"]
    assert body["request_id"].startswith("'1; rm -rf -")
    assert body["model"] == "watched"
    assert export[:4] == ["python", "-m", "records", "export"]
    assert export[export.index("--since") + 1] == "2030-01-31T11:00:00"
    assert train == ["python", "-m", "train", "--data", "FOLDER", "--name", "watched"]


def test_a_fault_of_the_images_comes_first(production: Production, database: Database) -> None:
    found = advice(database, production, 255 - production.images(0))
    assert found[0].text.startswith("Wrong polarity: 100 % of the images look like negatives")
    # Other classes are what follows from it.
    assert not any(step.text.startswith("Class imbalance") for step in found)


def test_who_has_labels_is_not_asked_for_more(production: Production, database: Database) -> None:
    subject = MonitoredVersion.of(production.version)
    names = keep(database, production.version, turned(production.images(0)))
    say(database, names, production.truth(0))
    found = steps(look(database, subject, NOON - HOUR, NOON))
    assert [command[2] for command in commands(found)] == ["records", "train"]


def test_few_images(production: Production, database: Database) -> None:
    found = advice(database, production, production.images(0, 9))
    assert "There are 9 images, and 50 are needed" in found[-1].text


def test_a_version_without_data(production: Production, database: Database, tmp_path: Path) -> None:
    other = Store(tmp_path / "models").save(LinearDraft(name="foreign"))
    found = steps(look(database, MonitoredVersion.of(other), NOON - HOUR, NOON))
    assert found[-1].command == "python -m monitor run --model foreign --data FOLDER"


@pytest.mark.parametrize("name", THRESHOLDS)
def test_every_check_has_a_hint(name: str) -> None:
    assert name in HINTS


def test_a_larger_holdout_is_of_the_same_images(database: Database, tmp_path: Path) -> None:
    parts = split(load_digits(ImageSpec.parse("digits")), 1 / 3, seed=3)
    store = Store(tmp_path / "models")
    version = store.save(train(parts.train, "logistic", "small", holdout=0.04).candidate)
    keep(database, version, parts.holdout.pixels[:200])
    found = steps(look(database, MonitoredVersion.of(version), NOON - HOUR, NOON))
    [train_again] = commands(found)
    assert train_again[3:] == ["--data", "digits", "--name", "small", "--holdout", "0.3"]
