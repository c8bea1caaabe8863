"""Every kind of classifier is converted right or refused, on ten digits and on two named ones."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    Perceptron,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
)
from sklearn.preprocessing import StandardScaler as Scaler
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.tree import DecisionTreeClassifier

from errors import ConversionError
from images.spec import ImageSpec
from models.offline import parity
from models.offline.answers import scores, undecided
from models.offline.conversion import Graph, convert
from models.runtime import OnnxRuntime

SPEC = ImageSpec.parse("digits")
DIGITS = load_digits()
PIXELS = np.rint(DIGITS.data / 16 * 255).astype(np.uint8)
X = SPEC.features(PIXELS[:500])
Y = DIGITS.target[:500]
UNSEEN = SPEC.features(parity.variants(PIXELS[1500:1560], SPEC, seed=0))

pytestmark = pytest.mark.filterwarnings("ignore")


def calibrated(estimator: Any, **options: Any) -> CalibratedClassifierCV:
    return CalibratedClassifierCV(estimator, cv=2, **options)


def trained(estimator: Any, classes: int) -> Any:
    """On ten digits, or on two named by strings."""
    chosen = np.isin(Y, range(classes))
    targets: NDArray[Any] = Y[chosen]
    if classes == 2:
        targets = np.array(["zero", "one"])[targets]
    return clone(estimator).fit(X[chosen], targets)


def checked(estimator: Any) -> Graph:
    graph = convert(estimator, SPEC.n_features)
    parity.check(estimator, graph, UNSEEN)
    return graph


def refusal(estimator: Any) -> str:
    try:
        checked(estimator)
    except ConversionError as error:
        return str(error)
    return ""


WRITTEN = {
    "svc": SVC(),
    "svc break_ties": SVC(break_ties=True),
    "svc ovo": SVC(decision_function_shape="ovo"),
    "svc linear": SVC(kernel="linear"),
    "svc poly": SVC(kernel="poly", degree=2, coef0=1),
    "svc sigmoid": SVC(kernel="sigmoid", gamma=1e-4),
    "nu svc": NuSVC(nu=0.1),
    "scaler, svc": make_pipeline(Scaler(), SVC()),
    "scaler, poly": make_pipeline(MinMaxScaler(), SVC(kernel="poly")),
    "whitened svc": make_pipeline(PCA(20, whiten=True, random_state=0), SVC()),
    "selected svc": make_pipeline(SelectKBest(k=30), Scaler(), SVC()),
    "calibrated svc": calibrated(SVC(C=10), ensemble=False),
    "calibrated svcs": calibrated(SVC(C=10)),
    "calibrated svc, temperature": calibrated(SVC(), method="temperature"),
    "calibrated linear svc": calibrated(make_pipeline(Scaler(), LinearSVC()), ensemble=False),
    "scaler, calibrated linear svc": make_pipeline(Scaler(), calibrated(LinearSVC())),
    "calibrated logistic": calibrated(LogisticRegression()),
    "calibrated mlp": calibrated(MLPClassifier((8,), max_iter=50, random_state=0)),
    "tempered mlp": calibrated(
        MLPClassifier((8,), max_iter=50, random_state=0), method="temperature"
    ),
    "logistic": LogisticRegression(),
    "logistic cv": LogisticRegressionCV(Cs=2, cv=2),
    "scaler, logistic": make_pipeline(Scaler(), LogisticRegression()),
    "scaler without mean, logistic": make_pipeline(Scaler(with_mean=False), LogisticRegression()),
    "max scaler, logistic": make_pipeline(MaxAbsScaler(), "passthrough", LogisticRegression()),
    "robust scaler, logistic": make_pipeline(RobustScaler(), LogisticRegression()),
    "svd, logistic": make_pipeline(TruncatedSVD(20, random_state=0), LogisticRegression()),
    "two projections": make_pipeline(
        Scaler(), PCA(30, random_state=0), VarianceThreshold(1.0), LogisticRegression()
    ),
    "varying pixels": make_pipeline(VarianceThreshold(), LogisticRegression()),
    "search": GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2),
    "bayes on varying pixels": make_pipeline(VarianceThreshold(4.0), GaussianNB()),
    "sgd": SGDClassifier(random_state=0),
    "sgd logistic": SGDClassifier(loss="log_loss", random_state=0),
    "ridge": RidgeClassifier(),
    "perceptron": Perceptron(random_state=0),
    "lda": LinearDiscriminantAnalysis(),
    "scaler, mlp": make_pipeline(Scaler(), MLPClassifier((16, 8), max_iter=50, random_state=0)),
    "mlp tanh": MLPClassifier((16,), activation="tanh", max_iter=50, random_state=0),
    "pca, knn": make_pipeline(PCA(20, random_state=0), KNeighborsClassifier()),
    "scaler, knn": make_pipeline(Scaler(), KNeighborsClassifier(3)),
}

STOCK = {
    "svc with probabilities": SVC(probability=True, random_state=0),
    "sgd huber": SGDClassifier(loss="modified_huber", random_state=0),
    "normalised logistic": make_pipeline(Normalizer(), LogisticRegression()),
    "tree": DecisionTreeClassifier(random_state=0),
    "forest": RandomForestClassifier(20, random_state=0),
    "extra trees": ExtraTreesClassifier(20, random_state=0),
    "gradient boosting": GradientBoostingClassifier(n_estimators=5, random_state=0),
    "boosting": HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "adaboost": AdaBoostClassifier(n_estimators=5, random_state=0),
    "bagging": BaggingClassifier(n_estimators=5, random_state=0),
    "calibrated forest": calibrated(RandomForestClassifier(5, random_state=0)),
    "bernoulli bayes": BernoulliNB(binarize=8),
    "stacking": StackingClassifier(
        [("logistic", LogisticRegression()), ("tree", DecisionTreeClassifier(random_state=0))], cv=2
    ),
}

# Conversions that were found wrong, or that are at times: they may be right, or say so.
DOUBTFUL = {
    "knn by distance": KNeighborsClassifier(weights="distance"),
    "knn on whole numbers": KNeighborsClassifier(),
    "isotonic": calibrated(LinearSVC(), method="isotonic"),
    "isotonic svc": calibrated(SVC(), method="isotonic"),
    "bayes on constant pixels": GaussianNB(),
    "scaler before trees": make_pipeline(Scaler(), RandomForestClassifier(20, random_state=0)),
    "scaler before boosting": make_pipeline(Scaler(), HistGradientBoostingClassifier(max_iter=5)),
    "multinomial bayes": MultinomialNB(),
    "qda": QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.1),
    "nearest centroid": NearestCentroid(),
    "one against the rest": OneVsRestClassifier(LinearSVC()),
    "one against one": OneVsOneClassifier(LinearSVC()),
    "calibrated ovo": calibrated(SVC(decision_function_shape="ovo")),
}

TREE = DecisionTreeClassifier(random_state=0)
COMPOSITE = {
    "soft vote": VotingClassifier(
        [("a", make_pipeline(Scaler(), LogisticRegression())), ("b", GaussianNB()), ("c", TREE)],
        voting="soft",
        weights=[2, 1, 3],
    ),
    "hard vote": VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB()), ("c", TREE)]),
    "stack of scores": StackingClassifier(
        [("a", make_pipeline(Scaler(), SVC())), ("b", TREE)], cv=2
    ),
    "stack with features": StackingClassifier(
        [("a", LogisticRegression())], TREE, passthrough=True, cv=2
    ),
    "searched calibration": GridSearchCV(
        make_pipeline(Scaler(), calibrated(LinearSVC())), {"standardscaler__with_std": [True]}, cv=2
    ),
    "search at the end": make_pipeline(Scaler(), GridSearchCV(TREE, {"max_depth": [5]}, cv=2)),
    "isotonic trees": calibrated(TREE, method="isotonic"),
    "columns": make_pipeline(
        ColumnTransformer([("a", Scaler(), slice(0, 32))], remainder="passthrough"), TREE
    ),
    "union": make_pipeline(
        FeatureUnion([("a", PCA(9, random_state=0)), ("b", SelectKBest(k=9))]), LogisticRegression()
    ),
    "function": make_pipeline(FunctionTransformer(np.log1p), TREE),
    "scaler without mean": make_pipeline(Scaler(with_mean=False), TREE),
    "selected after a norm": make_pipeline(Normalizer(), SelectKBest(k=20), LogisticRegression()),
    "selected after a function": make_pipeline(
        FunctionTransformer(np.log1p), SelectKBest(k=20), LogisticRegression()
    ),
    "selected in a union": make_pipeline(
        Scaler(), FeatureUnion([("a", SelectKBest(k=20))]), LogisticRegression()
    ),
    "bags": BaggingClassifier(LogisticRegression(), 3, max_features=0.5, random_state=0),
    "rest": OneVsRestClassifier(make_pipeline(Scaler(), LogisticRegression())),
    "codes": OutputCodeClassifier(LinearSVC(random_state=0), random_state=0),
    "squares": KNeighborsClassifier(3, weights="distance", metric="sqeuclidean"),
    "manhattan": KNeighborsClassifier(3, weights="distance", metric="manhattan"),
}


@pytest.mark.parametrize("classes", [10, 2])
@pytest.mark.parametrize("name", WRITTEN)
def test_written_graphs_answer_as_scikit_learn(name: str, classes: int) -> None:
    assert checked(trained(WRITTEN[name], classes)).origin == "written"


@pytest.mark.parametrize("classes", [10, 2])
@pytest.mark.parametrize("name", STOCK)
def test_stock_graphs_answer_as_scikit_learn(name: str, classes: int) -> None:
    assert checked(trained(STOCK[name], classes)).origin == "skl2onnx"


@pytest.mark.parametrize("classes", [10, 2])
@pytest.mark.parametrize("name", DOUBTFUL)
def test_doubtful_graphs_are_right_or_refused(name: str, classes: int) -> None:
    estimator = trained(DOUBTFUL[name], classes)
    sentence = refusal(estimator)
    if sentence:
        assert sentence.endswith(".")
        assert "\n" not in sentence
        return
    outcome = OnnxRuntime(convert(estimator, SPEC.n_features).model).run(UNSEEN)
    difference = np.abs(outcome.scores - scores(estimator, UNSEEN)).max(axis=1)
    assert (difference[~undecided(estimator, UNSEEN)] <= 1e-4).all()


@pytest.mark.parametrize("classes", [10, 2])
@pytest.mark.parametrize("name", ["bayes on constant pixels", "knn by distance"])
def test_graphs_that_skl2onnx_has_wrong_are_written_right(name: str, classes: int) -> None:
    assert checked(trained(DOUBTFUL[name], classes)).origin == "written"


@pytest.mark.parametrize("name", COMPOSITE)
def test_composites_are_converted_with_their_members(name: str) -> None:
    checked(trained(COMPOSITE[name], 10))


def test_a_frozen_classifier_is_unwrapped() -> None:
    frozen = FrozenEstimator(trained(SVC(), 10))
    assert checked(calibrated(frozen, ensemble=False).fit(X, Y)).origin == "written"


def test_a_voted_label_may_not_be_the_largest_score() -> None:
    rng = np.random.default_rng(0)
    estimator = SVC(gamma=1e-5).fit(X, Y)
    graph = convert(estimator, SPEC.n_features)
    noise = rng.uniform(0, 16, (4000, 64)).astype(np.float32)
    outcome = OnnxRuntime(graph.model).run(noise)
    assert (outcome.indices != outcome.scores.argmax(axis=1)).any()
    assert (outcome.indices == estimator.predict(noise)).all()


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=1),
        RandomForestClassifier(50, random_state=0),
    ],
)
def test_a_threshold_between_two_pixel_values_may_be_a_third(estimator: Any) -> None:
    spec = ImageSpec.parse("gray-8x8")
    rng = np.random.default_rng(0)
    odd = 2 * rng.integers(0, 128, (120, 64)) + 1
    odd[:60] //= 3
    any_values = rng.integers(0, 256, (3000, 64))
    estimator.fit(spec.features(odd.astype(np.uint8)), np.arange(120) // 60)
    graph = convert(estimator, spec.n_features)
    parity.check(estimator, graph, spec.features(any_values.astype(np.uint8)))


def test_large_images_lose_no_accuracy_to_cancellation() -> None:
    spec = ImageSpec.parse("rgb-32x32")
    rng = np.random.default_rng(0)
    bright = rng.integers(180, 256, (5, spec.n_features))
    pixels = np.clip(bright.repeat(12, axis=0) + rng.normal(0, 8, (60, spec.n_features)), 0, 255)
    features = spec.features(pixels.astype(np.uint8))
    targets = np.arange(5).repeat(12)
    for estimator in (SVC(C=100), make_pipeline(Scaler(), SVC()), KNeighborsClassifier(3)):
        estimator.fit(features[::2], targets[::2])
        found = parity.check(estimator, convert(estimator, spec.n_features), features)
        assert found.max_difference < 1e-5
