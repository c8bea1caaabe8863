"""XGBoost, LightGBM and CatBoost: converted right or refused, never unproven.

They are skipped where the libraries are not installed, or fail with REQUIRE_BOOSTERS=1; those of
CatBoost are always skipped without it.
"""

import os
import pickle
import re
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from errors import ConversionError, PickleError
from images.spec import ImageSpec
from models.__main__ import main
from models.offline import parity
from models.offline.boosters import Saved, check_release, missing, saved_by
from models.offline.conversion import Graph, convert
from models.offline.pickles import load
from models.offline.provenance import check_releases
from models.store import Store
from tests.models.offline.pickled import PROTOCOLS

if os.environ.get("REQUIRE_BOOSTERS") != "1":
    pytest.importorskip("xgboost")
    pytest.importorskip("lightgbm")

import lightgbm
import xgboost

pytestmark = pytest.mark.filterwarnings("ignore")

SPEC = ImageSpec.parse("digits")
DIGITS = load_digits()
PIXELS = np.rint(DIGITS.data / 16 * 255).astype(np.uint8)
X = SPEC.features(PIXELS[:300])
Y = DIGITS.target[:300]
UNSEEN = SPEC.features(parity.variants(PIXELS[1500:1540], SPEC, seed=0))


def xgb(**options: Any) -> Any:
    return xgboost.XGBClassifier(**({"n_estimators": 5, "max_depth": 3, "n_jobs": 1} | options))


def lgb(**options: Any) -> Any:
    chosen = {"n_estimators": 5, "verbose": -1, "n_jobs": 1, "min_child_samples": 5} | options
    return lightgbm.LGBMClassifier(**chosen)


def cat(**options: Any) -> Any:
    catboost = pytest.importorskip("catboost")
    chosen = {"iterations": 5, "depth": 3, "verbose": 0, "thread_count": 1}
    return catboost.CatBoostClassifier(**(chosen | {"allow_writing_files": False} | options))


def trained(estimator: Any, classes: int = 10) -> Any:
    chosen = np.isin(Y, range(classes))
    return clone(estimator).fit(X[chosen], Y[chosen])


def checked(estimator: Any) -> Graph:
    graph = convert(estimator, SPEC.n_features)
    parity.check(estimator, graph, UNSEEN)
    return graph


ALONE = {
    "xgboost": xgb(),
    "xgboost dart": xgb(booster="dart", rate_drop=0.5),
    "xgboost, several trees a round": xgb(num_parallel_tree=2, subsample=0.5),
    "xgboost with a base score": xgb(base_score=0.3),
    "xgboost without zeros": xgb(missing=0.0),
    "xgboost forest": xgboost.XGBRFClassifier(n_estimators=10, n_jobs=1),
    "lightgbm": lgb(),
    "lightgbm dart": lgb(boosting_type="dart"),
    "lightgbm forest": lgb(boosting_type="rf", subsample=0.5, subsample_freq=1),
    "lightgbm balanced": lgb(class_weight="balanced"),
    "lightgbm with a slope": lgb(sigmoid=2.0),
}


@pytest.mark.parametrize("classes", [10, 2])
@pytest.mark.parametrize("name", ALONE)
def test_graphs_answer_as_the_library(name: str, classes: int) -> None:
    assert checked(trained(ALONE[name], classes)).origin == "written"


@pytest.mark.parametrize("classes", [10, 2])
@pytest.mark.parametrize(
    "options", [{}, {"grow_policy": "Depthwise"}, {"loss_function": "MultiClassOneVsAll"}]
)
def test_graphs_answer_as_catboost(options: dict[str, str], classes: int) -> None:
    assert checked(trained(cat(**options), classes)).origin == "written"


@pytest.mark.parametrize("booster", [xgb, lgb, cat])
@pytest.mark.parametrize("classes", [10, 2])
def test_they_are_members_of_others(booster: Any, classes: int) -> None:
    for whole in (
        make_pipeline(StandardScaler(), booster()),
        make_pipeline(StandardScaler(), PCA(20, random_state=0), booster()),
        CalibratedClassifierCV(booster(), cv=2),
        VotingClassifier([("a", LogisticRegression()), ("b", booster())], voting="soft"),
        StackingClassifier([("a", LogisticRegression()), ("b", booster())], cv=2),
    ):
        checked(trained(whole, classes))


def test_one_against_all_is_not_normalized() -> None:
    checked(trained(lgb(objective="multiclassova", sigmoid=0.7)))


@pytest.mark.parametrize("classes", [10, 2])
def test_a_model_that_was_stopped_early_answers_by_its_best_round(classes: int) -> None:
    chosen = np.isin(Y, range(classes))
    seen = [(X[chosen][::2], Y[chosen][::2][::-1])]  # Labels that are wrong, so it stops at once.
    early = xgb(n_estimators=50, early_stopping_rounds=2)
    early.fit(X[chosen], Y[chosen], eval_set=seen, verbose=False)
    assert early.best_iteration + 1 < early.get_booster().num_boosted_rounds()
    checked(early)
    stopping = [lightgbm.early_stopping(2, verbose=False)]
    checked(lgb(n_estimators=50).fit(X[chosen], Y[chosen], eval_set=seen, callbacks=stopping))


@pytest.mark.parametrize(
    ("estimator", "what"),
    [
        (xgb(booster="gblinear"), "the booster gblinear"),
        (xgb(multi_strategy="multi_output_tree"), "categories or trees of several outputs"),
        (lgb(zero_as_missing=True), "categories or zero_as_missing"),
        (lgb(linear_tree=True), "linear trees"),
    ],
)
def test_what_is_no_sum_of_trees_is_refused(estimator: Any, what: str) -> None:
    with pytest.raises(ConversionError) as caught:
        checked(trained(estimator))
    kind = type(estimator).__name__
    assert str(caught.value) == f"{kind} with {what} has no ONNX conversion."


def test_pixels_on_a_threshold_go_where_the_library_sends_them() -> None:
    spec = ImageSpec.parse("gray-8x8")
    rng = np.random.default_rng(0)
    odd = 2 * rng.integers(0, 128, (120, 64)) + 1
    odd[:60] //= 3
    anything = spec.features(rng.integers(0, 256, (2000, 64)).astype(np.uint8))
    for estimator in (xgb(n_estimators=20), lgb(n_estimators=20, min_child_samples=1)):
        estimator.fit(spec.features(odd.astype(np.uint8)), np.arange(120) // 60)
        parity.check(estimator, convert(estimator, spec.n_features), anything)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_release_is_read_from_the_file(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "both.pickle"
    both = {"a": trained(xgb()), "b": make_pipeline(StandardScaler(), lgb()).fit(X, Y)}
    path.write_bytes(pickle.dumps(both, protocol))
    assert saved_by(path) == {Saved("xgboost", xgboost.__version__), Saved("lightgbm", "v4")}
    check_releases(path, both["a"])
    check_releases(path, both["b"])


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_the_release_is_read_from_joblib_files(tmp_path: Path, compress: Any) -> None:
    path = tmp_path / "some.joblib"
    joblib.dump(CalibratedClassifierCV(xgb(), cv=2).fit(X, Y), path, compress=compress)
    check_releases(path, load(path).estimator)


def test_the_release_of_catboost_is_read_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "some.pickle"
    path.write_bytes(pickle.dumps(trained(cat())))
    loaded = load(path)
    check_releases(path, loaded.estimator)
    (saved,) = saved_by(path)
    with pytest.raises(PickleError, match=r"a CatBoostClassifier of CatBoost 1\.0\.1, and "):
        check_release("some.pickle", [loaded.estimator], frozenset({Saved(saved.library, "1.0.1")}))


def as_saved_by_xgboost(content: bytes, major: int) -> bytes:
    there = re.compile(rb"(version\[#L\0{7}\x03i).", re.DOTALL)
    assert there.search(content)
    return there.sub(rb"\g<1>" + bytes([major]), content)


def test_another_release_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "some.pickle"
    content = as_saved_by_xgboost(pickle.dumps(trained(xgb())), 2)
    path.write_bytes(content)
    here = xgboost.__version__
    there = "2." + here.partition(".")[2]
    with pytest.raises(PickleError) as caught:
        check_releases(path, load(path).estimator)
    assert str(caught.value) == (
        f"some.pickle has a XGBClassifier of XGBoost {there}, and {here} is installed here, where "
        "it may answer differently: install the release that saved it, or add --check with what "
        "the original says of some images."
    )


def test_another_release_is_taken_if_it_says_what_the_original_said(tmp_path: Path) -> None:
    estimator = trained(xgb())
    known = {"features": UNSEEN, "predictions": estimator.predict(UNSEEN)}
    np.savez(tmp_path / "known.npz", **known)
    del estimator.feature_weights  # A parameter that releases before 3.0 did not have.
    path = tmp_path / "some.pickle"
    path.write_bytes(as_saved_by_xgboost(pickle.dumps(estimator), 2))
    named = ["--name", "trees", "--image-spec", "digits", "--trust"]
    store = Store(tmp_path / "models")
    refused = CliRunner().invoke(main, ["import", str(path), *named], obj=store)
    assert "install the release that saved it, or add --check" in refused.output
    check = ["--check", str(tmp_path / "known.npz")]
    done = CliRunner().invoke(main, ["import", str(path), *named, *check], obj=store)
    assert done.exit_code == 0, done.output
    assert "100.0% of 280 labels are the original's.\n" in done.output


def test_another_format_and_an_unknown_release_are_refused() -> None:
    with pytest.raises(PickleError, match=r"a LGBMClassifier of LightGBM's format v3, and "):
        check_release("some.pickle", [lgb()], frozenset({Saved("lightgbm", "v3")}))
    with pytest.raises(PickleError, match=r"a LGBMClassifier of an unknown release of LightGBM"):
        check_release("some.pickle", [lgb()], frozenset({Saved("xgboost", "1.0.0")}))


@pytest.mark.parametrize("booster", [xgb, lgb, cat])
def test_they_are_imported_and_served_by_their_graph(tmp_path: Path, booster: Any) -> None:
    path = tmp_path / "some.pickle"
    estimator = trained(booster())
    path.write_bytes(pickle.dumps(estimator))
    store = Store(tmp_path / "models")
    named = ["--name", "trees", "--image-spec", "digits"]
    done = CliRunner().invoke(main, ["import", str(path), *named, "--trust"], obj=store)
    assert done.exit_code == 0, done.output
    assert " 0 labels differ" in done.output
    runtime = store.get("trees").artifact.open()
    assert (runtime.run(UNSEEN).indices == np.ravel(estimator.predict(UNSEEN))).all()


def test_the_estimator_itself_is_not_served(tmp_path: Path) -> None:
    path = tmp_path / "some.pickle"
    path.write_bytes(pickle.dumps(trained(xgb(booster="gblinear"))))
    named = ["--name", "trees", "--image-spec", "digits", "--trust"]
    store = Store(tmp_path / "models")
    done = CliRunner().invoke(main, ["import", str(path), *named], obj=store)
    assert done.exit_code == 1
    last = "Error: XGBClassifier with the booster gblinear has no ONNX conversion."
    assert done.output.splitlines()[-1] == last


@pytest.mark.parametrize(
    ("module", "name", "lock"),
    [
        ("xgboost.sklearn", "XGBoost", "boosters"),
        ("lightgbm", "LightGBM", "boosters"),
        ("catboost.core", "CatBoost", "catboost"),
    ],
)
def test_a_library_that_is_not_installed_is_named(module: str, name: str, lock: str) -> None:
    assert missing(ModuleNotFoundError(name=module)) == (
        f"{name}, which is not installed here: install it with "
        f"pip install -r requirements/{lock}.txt."
    )
    assert missing(ModuleNotFoundError(name="lightning")) is None
