"""What the process of a retraining does, in this one."""

import pytest

from pipeline.child import retrain
from pipeline.lease import renewed
from pipeline.order import Order
from records.retrainings import begin
from tests.pipeline.conftest import Place


def test_it_says_how_long_a_recipe_takes_that_is_slow(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("train.auto_recipe.WORTH_SAYING_SECONDS", 0.0)
    one = begin(place.database, "clf", "asked", "a test", place.champion.version)
    with renewed(place.database, "retraining clf") as held:
        assert held is not None
        order = Order(
            database="",
            store=None,
            retraining=one.id,
            champion=place.champion.tag,
            lease=held.name,
            owner=held.owner,
            recipe="knn",
        )
        retrain(place.database, place.store, order)
    said = capsys.readouterr().err.splitlines()
    features = place.champion.manifest.image_spec.n_features
    [note] = [line for line in said if line.startswith("Recipe knn takes about ")]
    assert f"of {features:,} features in 10 classes" in note
    assert said.index(note) < next(at for at, line in enumerate(said) if "Training knn" in line)
