"""Pickles of 33 kinds of classifier, by any scikit-learn, and what each says at home.

usage: python bench/old_pickles.py FOLDER

It needs scikit-learn 1.2 or newer and nothing of Pupila: ``bench/pickles.py`` runs it in an
environment of each version. ``home.npz`` has 8x8 ``pixels`` and, by kind, ``labels:`` and
``scores:`` of what the classifier itself says of them, and ``ties:`` where that is an accident.
"""

import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
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
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, LabelEncoder, MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

WORDS = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


def kinds() -> dict[str, Any]:
    """The classifiers, unfitted."""
    logistic = LogisticRegression(max_iter=200)
    bayes, scaler = GaussianNB(), StandardScaler()
    linear, tree = LinearSVC(random_state=0), DecisionTreeClassifier(random_state=0)
    forest = RandomForestClassifier(20, random_state=0)
    return {
        "svc": SVC(),
        "scaler, svc": make_pipeline(scaler, SVC()),
        "svc with probabilities": SVC(probability=True, random_state=0),
        "linear svc": linear,
        "logistic": logistic,
        "scaler, logistic": make_pipeline(scaler, logistic),
        "ridge": RidgeClassifier(),
        "sgd": SGDClassifier(random_state=0),
        "lda": LinearDiscriminantAnalysis(),
        "mlp": MLPClassifier((16,), max_iter=40, random_state=0),
        "knn": KNeighborsClassifier(3),
        "knn by distance": KNeighborsClassifier(3, weights="distance", metric="manhattan"),
        "gaussian bayes": bayes,
        "multinomial bayes": MultinomialNB(),
        "tree": tree,
        "forest": forest,
        "extra trees": ExtraTreesClassifier(20, random_state=0),
        "gradient boosting": GradientBoostingClassifier(n_estimators=4, random_state=0),
        "hist gradient boosting": HistGradientBoostingClassifier(max_iter=4, random_state=0),
        "adaboost": AdaBoostClassifier(n_estimators=10, random_state=0),
        "bagging": BaggingClassifier(n_estimators=5, random_state=0),
        "grid search": GridSearchCV(SVC(), {"C": [1, 5]}, cv=2),
        "random search": RandomizedSearchCV(
            forest, {"max_depth": [5, 9]}, n_iter=2, cv=2, random_state=0
        ),
        "soft vote": VotingClassifier([("a", logistic), ("b", bayes)], voting="soft"),
        "hard vote": VotingClassifier([("a", logistic), ("b", bayes), ("c", tree)]),
        "stacking": StackingClassifier([("a", bayes), ("b", tree)], cv=2),
        "select, pca, logistic": make_pipeline(
            MinMaxScaler(), SelectKBest(k=40), PCA(20, random_state=0), logistic
        ),
        "columns, function, forest": make_pipeline(
            ColumnTransformer([("a", scaler, slice(0, 32))], remainder="passthrough"),
            FunctionTransformer(np.tanh),
            forest,
        ),
        "sigmoid calibration": CalibratedClassifierCV(make_pipeline(scaler, linear), cv=2),
        "isotonic calibration": CalibratedClassifierCV(forest, method="isotonic", cv=2),
        "one against the rest": OneVsRestClassifier(logistic),
        "one against one": OneVsOneClassifier(linear),
        "with its encoder": logistic,
    }


def scores(model: Any, features: Any) -> Any:
    """float [N, C], or [N] or [N, 0] if it has none."""
    for method in ("predict_proba", "decision_function"):
        if hasattr(model, method):
            return getattr(model, method)(features)
    return np.empty((len(features), 0))


def ties(model: Any, features: Any) -> Any:
    """bool [N]: whether the k-th and the next of the nearest points are equally near, so that which
    of them counts is an accident of the search."""
    if not isinstance(model, KNeighborsClassifier):
        return np.zeros(len(features), dtype=bool)
    near, _ = model.kneighbors(features, model.n_neighbors + 1)
    return np.isclose(near[:, -2], near[:, -1], rtol=1e-9)


def main() -> None:
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    features, labels = load_digits(return_X_y=True)
    generator = np.random.default_rng(0)
    calm = features[1200:1400]
    noisy = np.clip(np.rint(calm + generator.normal(0, 3, calm.shape)), 0, 16)
    asked = np.concatenate(
        [calm, noisy, features[1400:1500].reshape(-1, 8, 8)[:, ::-1].reshape(-1, 64)]
    )
    said: dict[str, Any] = {"pixels": np.rint(asked * 15.9375).astype(np.uint8)}
    said["truth"] = labels[1200:1400]
    for name, model in kinds().items():
        targets = labels[:700]
        encoder = LabelEncoder().fit(WORDS) if name == "with its encoder" else None
        if encoder is not None:
            targets = encoder.transform(WORDS[targets])
        model.fit(features[:700], targets)
        # As it is served: in float32.
        predicted = model.predict(asked.astype(np.float32))
        said[f"labels:{name}"] = (
            predicted if encoder is None else encoder.inverse_transform(predicted)
        )
        said[f"scores:{name}"] = scores(model, asked.astype(np.float32))
        said[f"ties:{name}"] = ties(model, asked.astype(np.float32))
        thing = model if encoder is None else {"model": model, "encoder": encoder}
        (folder / f"{name.replace(', ', '-').replace(' ', '-')}.pkl").write_bytes(
            pickle.dumps(thing)
        )
    np.savez_compressed(folder / "home.npz", **said)


if __name__ == "__main__":
    main()
