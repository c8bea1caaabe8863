"""One retraining, whatever happens to it."""

import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from errors import PipelineError, UnknownVersionError
from models.image_list import Side
from models.reference import Reference
from models.store import Store
from pipeline.lease import renewed
from pipeline.order import data_name
from pipeline.retrain import ATTEMPTS, Budget, Wish, run
from records.aliases import champion_before
from records.champions import promote, routings
from records.decisions import history
from records.leases import holder, take
from records.retrainings import Retraining, advance, begin, retrainings
from tests.drafts import LinearDraft
from tests.monitor.production import DIGITS
from tests.pipeline.conftest import Place
from tests.servers import ROOT, environment
from train.dataset import split
from train.digits import load_digits
from train.fit import train_parts

LEASE = "retraining clf"


def begun(place: Place) -> Retraining:
    """As its first steps are."""
    with place.database.writing() as connection:
        champion_before(connection, "clf", place.champion.version, "test")
    return begin(place.database, "clf", "age", "old", place.champion.version)


def saved_for(place: Place, one: Retraining) -> str:
    """The version of a retraining whose process died before it could note it."""
    parts = split(load_digits(DIGITS), 0.5, seed=1)
    whole = parts.holdout
    named = type(whole)(whole.pixels, whole.targets, data_name(one.id), whole.spec)
    result = train_parts(parts, named, "logistic", "clf", parent=place.champion.tag)
    return place.store.save(result.candidate, result.images).version


def home_of(place: Place) -> Path:
    assert place.store.given is not None
    return place.store.given.parent


def champion(place: Place) -> str:
    found = routings(place.database)[1]
    assert found is not None
    return found["clf"].champion


def test_a_candidate_is_made_as_the_champion_was_and_answers_nobody(place: Place) -> None:
    place.serve(*place.some(0, 120), drawn="random")
    outcome = run(place.database, place.store, "clf", "labels", "enough")
    assert outcome.state == "trained", outcome.reason
    assert outcome.tag is not None
    made = place.store.get(outcome.tag).manifest
    before = place.champion.manifest
    assert made.parent == place.champion.tag
    assert (made.recipe, made.parameters) == (before.recipe, before.parameters)
    assert made.data is not None
    assert made.data.name == "retraining 1"
    assert champion(place) == place.champion.version
    assert [one.action for one in history(place.database)] == ["found"]
    [row] = retrainings(place.database)
    assert (row.state, row.trigger, row.reason) == ("trained", "labels", "enough")
    assert f"{place.champion.name}:{row.challenger}" == outcome.tag
    assert holder(place.database, LEASE) is None
    # Its holdout has both: the champion's own images, and some of production.
    reference, own = (Reference.load(place.store.get(tag).artifact)
                      for tag in (outcome.tag, place.champion.tag))  # fmt: skip
    assert reference is not None
    assert own is not None
    held = {one.tobytes() for one in reference.pixels}
    assert {one.tobytes() for one in own.pixels} < held
    kept = place.store.training_images.read("clf", row.challenger or "")
    assert kept is not None
    assert kept.sides.count("holdout") == len(reference)
    assert reference.sizes is not None


def test_another_recipe_may_be_wished_for(place: Place) -> None:
    outcome = run(place.database, place.store, "clf", wish=Wish(recipe="knn"))
    assert outcome.tag is not None, outcome.reason
    assert place.store.get(outcome.tag).manifest.recipe == "knn"


def test_without_a_champion_there_is_nothing_to_retrain(place: Place) -> None:
    with pytest.raises(UnknownVersionError):
        run(place.database, place.store, "other")


def test_without_training_images_nothing_is_decided(place: Place) -> None:
    place.store.save(LinearDraft())
    with pytest.raises(PipelineError, match="are not here"):
        run(place.database, place.store, "clf")
    assert history(place.database) == []
    assert retrainings(place.database) == []


def test_only_one_process_retrains_a_model(place: Place) -> None:
    with renewed(place.database, LEASE):
        outcome = run(place.database, place.store, "clf")
    assert outcome.state == "busy"
    assert "is being retrained by" in outcome.reason
    assert retrainings(place.database) == []


def test_a_version_that_was_saved_is_not_made_again(place: Place) -> None:
    one = begun(place)
    version = saved_for(place, one)
    outcome = run(place.database, place.store, "clf", "age", "old")
    assert (outcome.state, outcome.tag) == ("waits", f"clf:{version}")
    [row] = retrainings(place.database)
    assert (row.state, row.challenger) == ("trained", version)
    assert len(place.store.versions("clf")) == 2


def test_a_version_of_another_database_is_not_taken_for_it(place: Place) -> None:
    one = begun(place)
    saved_for(place, advance(place.database, one.id, "failed"))
    other = begun(place)
    outcome = run(place.database, place.store, "clf", budget=Budget(seconds=0.01))
    assert outcome.state == "failed"
    assert outcome.retraining is not None
    assert outcome.retraining.id == other.id


def test_a_trigger_waits_for_the_candidate_and_a_person_may_ask_for_another(place: Place) -> None:
    one = begun(place)
    advance(place.database, one.id, "trained", challenger=saved_for(place, one))
    assert run(place.database, place.store, "clf", "age", "old").state == "waits"
    outcome = run(place.database, place.store, "clf", budget=Budget(seconds=0.01))
    assert outcome.state == "failed"
    assert [row.state for row in retrainings(place.database)] == ["failed", "refused"]


def test_a_candidate_that_was_deleted_is_waited_for_no_more(place: Place) -> None:
    one = begun(place)
    advance(place.database, one.id, "trained", challenger="gone")
    run(place.database, place.store, "clf", "age", "old", budget=Budget(seconds=0.01))
    assert [row.state for row in retrainings(place.database)] == ["failed", "refused"]


def test_one_of_an_earlier_champion_is_given_up(place: Place) -> None:
    one = begun(place)
    version = saved_for(place, advance(place.database, one.id, "failed"))
    stale = begun(place)
    promote(
        place.database, "clf", version, actor="test", because="", answering=place.champion.version
    )
    run(place.database, place.store, "clf", budget=Budget(seconds=0.01))
    newest, before, _ = retrainings(place.database)
    assert (before.id, before.state) == (stale.id, "failed")
    assert newest.champion == version


def test_it_ends_when_its_time_is_over(place: Place) -> None:
    outcome = run(place.database, place.store, "clf", budget=Budget(seconds=0.01))
    assert (outcome.state, outcome.reason) == ("failed", "It took more than 0.01 s.")
    assert len(place.store.versions("clf")) == 1
    assert holder(place.database, LEASE) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory so")
def test_it_ends_when_its_memory_is_used_up(place: Place) -> None:
    outcome = run(place.database, place.store, "clf", budget=Budget(memory=40 * 2**20))
    assert outcome.state == "failed"
    assert len(place.store.versions("clf")) == 1


def test_what_kills_its_process_each_time_is_given_up(place: Place) -> None:
    one = begun(place)
    advance(place.database, one.id, "training", detail=f"attempt {ATTEMPTS}")
    outcome = run(place.database, place.store, "clf")
    assert (outcome.state, outcome.reason) == ("failed", f"It was interrupted {ATTEMPTS} times.")


def test_killed_it_can_be_run_again(place: Place) -> None:
    """kill -9 while its process trains: that ends too, and the second run makes one version."""
    variables = environment(home_of(place)) | {"PUPILA_DATABASE_URL": str(place.database.url)}
    command = [sys.executable, "-m", "pipeline", "retrain", "--model", "clf"]
    with subprocess.Popen(
        command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(b"Training"):
                break
        process.send_signal(signal.SIGKILL)
        # The end of the pipe is that of the process that trained.
        process.stderr.read()
    assert len(Store(place.store.given).versions("clf")) == 1
    found = holder(place.database, LEASE)
    assert found is not None
    # As if its time were over.
    take(place.database, LEASE, found[0], timedelta(seconds=-1))
    outcome = run(place.database, place.store, "clf", "age", "old")
    assert outcome.state == "trained", outcome.reason
    assert len(place.store.versions("clf")) == 2
    [row] = retrainings(place.database)
    assert (row.state, row.trigger) == ("trained", "asked")


def test_without_an_image_to_judge_by_it_fails_with_a_sentence(place: Place) -> None:
    images = place.store.training_images
    own = images.read("clf", place.champion.version)
    assert own is not None
    sides: tuple[Side, ...] = tuple("train" if side == "holdout" else side for side in own.sides)
    images.keep("clf", place.champion.version, replace(own, sides=sides))
    outcome = run(place.database, place.store, "clf", "labels", "enough")
    assert outcome.state == "failed"
    assert "No image is left to judge" in outcome.reason
