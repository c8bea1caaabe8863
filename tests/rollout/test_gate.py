"""What the gate makes of two versions, on the champion's holdout and on production's labels."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from images.decoding import read_pixels
from models.store import Store
from models.training_images import TrainingSet
from models.version import Version
from records.database import Database
from records.labels import NewLabel, add
from records.prediction import KeptPrediction
from records.requests import ask
from records.verdicts import save, verdicts
from records.windows import window
from records.writer import write
from rollout.gate import gate
from rollout.holdouts import Classes, production
from rollout.page import render
from rollout.starting import contract_faults
from rollout.verdict import GateRule, GateVerdict
from tests.drafts import DIGITS, LinearDraft
from tests.drawing import png
from tests.rollout.versions import LETTERS, RGB, Held, NearDraft, fingerprint, noise

RULE = GateRule()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def champion(store: Store) -> Version:
    return store.save(Held(LinearDraft()))


@pytest.fixture(scope="module")
def worse(store: Store) -> Version:
    return store.save(Held(LinearDraft(seed=5)))


@pytest.fixture(scope="module")
def refused(champion: Version, worse: Version) -> GateVerdict:
    return gate(champion, worse, RULE)


def test_the_same_again_passes(store: Store, champion: Version) -> None:
    verdict = gate(champion, store.save(LinearDraft()), RULE)
    assert verdict.outcome == "passed"
    assert verdict.because.startswith(
        "passed: on 400 images of the champion's holdout, accuracy is +0.0 points from the "
        "champion's (95% interval -0.5 to +0.5), and the margin is 1; an image takes "
    )


def test_a_worse_one_is_refused_with_every_number(refused: GateVerdict) -> None:
    assert refused.outcome == "refused"
    [one] = refused.holdouts
    figures = {measure.name: measure for measure in one.measures}
    assert figures.keys() == {
        "accuracy", "precision", "recall", "F1", "false positive rate", "false negative rate",
        "log-loss", "calibration error",
    }  # fmt: skip
    accuracy = figures["accuracy"]
    assert accuracy.champion == pytest.approx(0.95)
    assert accuracy.high is not None
    assert accuracy.high < -0.5
    assert one.losses > 300
    classes = [check for check in refused.checks if check.name.startswith("class ")]
    assert all(check.state == "refused" for check in classes)
    assert sum(row.images for row in one.classes) == 400
    cost = refused.costs["challenger"]
    assert cost.latency_ms > 0
    assert cost.size > 1000
    assert cost.memory is not None
    assert cost.memory < 50_000_000


def test_near_equals_are_for_the_shadow(store: Store, champion: Version) -> None:
    verdict = gate(champion, store.save(NearDraft(noise=0.001)), RULE)
    assert verdict.outcome == "too few images"
    assert verdict.because.startswith("too few images to tell: on 400 images of the champion's")
    [one] = verdict.holdouts
    assert one.low < -RULE.margin < one.high


def test_the_same_judgement_twice_gives_the_same_intervals(
    champion: Version, worse: Version, refused: GateVerdict
) -> None:
    assert gate(champion, worse, RULE).holdouts == refused.holdouts


def test_another_split_of_the_same_data_is_void(store: Store) -> None:
    old = store.save(Held(LinearDraft(), data=fingerprint(400)))
    same = store.save(Held(LinearDraft(), data=fingerprint(400)))
    other = store.save(Held(LinearDraft(), data=fingerprint(400, seed=1)))
    assert gate(old, same, RULE).outcome == "passed"
    verdict = gate(old, other, RULE)
    assert verdict.outcome == "too few images"
    assert verdict.notes[0].startswith("the challenger was trained on images of this holdout")
    assert verdict.holdouts[0].void == verdict.notes[0]


def test_a_champion_without_a_holdout_cannot_be_compared_with(store: Store) -> None:
    pickled, challenger = store.save(LinearDraft()), store.save(LinearDraft())
    verdict = gate(pickled, challenger, RULE)
    assert verdict.outcome == "too few images"
    assert verdict.notes == (f"{pickled.tag} has no holdout, as every imported pickle",)
    assert verdict.because.endswith(
        "no holdout has enough images that the challenger was not trained on: 100 are needed"
    )


def test_another_image_spec_cannot_read_the_holdout(store: Store, champion: Version) -> None:
    challenger = store.save(LinearDraft(spec=RGB))
    verdict = gate(champion, challenger, RULE)
    assert "is kept as digits, which" in verdict.notes[0]


def test_one_that_decodes_large_images_otherwise_reads_the_holdout_all_the_same(
    store: Store, champion: Version
) -> None:
    spec = champion.manifest.image_spec.model_copy(update={"decoding": "reduced"})
    challenger = store.save(LinearDraft(spec=spec))
    assert gate(champion, challenger, RULE).outcome == "passed"
    assert not contract_faults(champion, challenger)


def test_one_that_must_be_better_has_to_prove_it(store: Store, champion: Version) -> None:
    rule = GateRule(better=True)
    equal = gate(champion, store.save(LinearDraft()), rule)
    assert equal.outcome == "too few images"
    assert "it was asked to be better on the champion's holdout" in equal.because


def kept(database: Database, version: Version, images: int, drawn: str = "random") -> None:
    """Labelled requests, on which the champion is right but for one in twenty."""
    spec = version.manifest.image_spec
    pixels = noise(images, seed=4)
    answers = version.artifact.open().run(spec.features(pixels)).indices
    rows = [
        KeptPrediction(
            request_id=str(row),
            model=version.name,
            version=version.version,
            role="champion",
            at=datetime.now(UTC) - timedelta(hours=1),
            label=int(label),
            image=png(image.reshape(8, 8)),
            weight=2.0,
        )
        for row, (image, label) in enumerate(zip(pixels, answers, strict=True))
    ]
    write(database, rows, {})
    ids = [record.id for record in window(database, version.name, limit=None)]
    if drawn != "volunteered":
        ask(database, ids, drawn)  # type: ignore[arg-type]
    truth = [(int(label) + (row % 20 == 0)) % 10 for row, label in enumerate(answers)]
    items = [NewLabel(str(row), label) for row, label in enumerate(truth)]
    add(database, items, lambda _model: range(10))


def test_production_labels_that_were_drawn_at_random_count_too(
    database: Database, champion: Version, worse: Version
) -> None:
    kept(database, champion, 150)
    verdict = gate(champion, worse, RULE, database)
    [reference, slice_] = verdict.holdouts
    assert (reference.images, slice_.name, slice_.images) == (400, "production", 150)
    accuracy = slice_.measures[0]
    assert accuracy.champion == pytest.approx(1 - 8 / 150)
    names = [check.name for check in verdict.checks if check.state == "refused"]
    assert names[0] == "accuracy on the champion's holdout"
    assert "accuracy on production" in names


@pytest.mark.parametrize("drawn", ["volunteered", "monitor", "rollout"])
def test_other_labels_do_not(database: Database, champion: Version, drawn: str) -> None:
    kept(database, champion, 30, drawn)
    assert len(production(database, champion, champion)) == 0


def test_images_that_one_was_trained_on_or_nearly_are_left_out(
    store: Store, database: Database, champion: Version
) -> None:
    kept(database, champion, 30)
    challenger = store.save(LinearDraft())
    images = [record.image or b"" for record in window(database, champion.name)]
    pixels = np.stack([read_pixels(image, DIGITS) for image in images])
    nearly = np.clip(pixels[:10].astype(int) + 1, 0, 255).astype(np.uint8)
    trained = TrainingSet(DIGITS, nearly, (8,) * 10, ("train",) * 8 + ("holdout",) * 2)
    store.training_images.keep("clf", challenger.version, trained)
    held = production(database, champion, challenger, store)
    assert held.champion.tolist() == pixels[8:].tolist()
    assert len(held.truth) == len(held.weights) == 22


def test_labels_are_matched_by_value_and_type() -> None:
    classes = Classes((8, "8"), ("8", "caf\u00e9"), ("cafe\u0301",))
    assert classes.indices(("8", 8, "cafe\u0301")).tolist() == [1, 0, 2]
    assert len(classes.labels) == 3


def test_a_challenger_with_the_labels_in_another_order_is_as_right(store: Store) -> None:
    old = store.save(Held(LinearDraft(labels=LETTERS)))
    verdict = gate(old, store.save(LinearDraft(labels=LETTERS[::-1], answer="a")), RULE)
    recalls = {row.label: row.measures[1].challenger for row in verdict.holdouts[0].classes}
    assert recalls.pop("a") == 1
    assert set(recalls.values()) == {0}


def test_a_verdict_is_stored_and_read(database: Database, refused: GateVerdict) -> None:
    row = save(database, refused.row())
    [again] = verdicts(database, "clf")
    assert again == row
    assert (again.outcome, f"clf:{again.challenger}") == ("refused", refused.challenger)
    assert GateVerdict.model_validate_json(again.body) == refused


def test_a_verdict_is_one_page(refused: GateVerdict) -> None:
    classes = refused.holdouts[0].classes
    evil = classes[0].model_copy(update={"label": "<script>alert(1)</script>\u202e"})
    one = refused.holdouts[0].model_copy(update={"classes": (evil, *classes[1:])})
    page = render(refused.model_copy(update={"holdouts": (one,)}))
    assert "<script" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page
    assert f"{refused.challenger}: refused" in page
    assert "400 images of the champion&#39;s holdout" in page
    assert "http" not in page.replace("http-equiv", "")


def test_scores_have_neither_log_loss_nor_calibration(store: Store, champion: Version) -> None:
    verdict = gate(champion, store.save(LinearDraft(probabilities=False)), RULE)
    figures = {measure.name: measure for measure in verdict.holdouts[0].measures}
    assert figures["log-loss"].challenger is None
    assert figures["log-loss"].difference is None
    assert np.isclose(figures["accuracy"].challenger or 0, 0.95)
