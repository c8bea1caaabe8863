"""Nothing that another scikit-learn made is served unproven."""

import pytest
import sklearn
from sklearn.ensemble import AdaBoostClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from errors import PickleError
from models.offline.proven import INSTALLED, PROVEN
from models.offline.provenance import Foreign, check_proven

HERE = sklearn.__version__


def test_what_was_made_here_is_not_asked_about() -> None:
    check_proven("some.pickle", SVC(), [])
    check_proven("some.pickle", SVC(), [Foreign("SVC", HERE)])


def test_a_proven_pair_is_served() -> None:
    assert HERE.startswith(f"{INSTALLED}."), "run python -m bench.pickles --write"
    assert "SVC" in PROVEN["1.5"]
    check_proven("some.pickle", SVC(), [Foreign("SVC", "1.5.2")])


@pytest.mark.parametrize(("kind", "version"), [("AdaBoostClassifier", "1.3.2"), ("SVC", "0.24.2")])
def test_an_unproven_pair_is_refused_in_one_sentence(kind: str, version: str) -> None:
    with pytest.raises(PickleError) as caught:
        check_proven("some.pickle", SVC(), [Foreign("SVC", "1.5.2"), Foreign(kind, version)])
    assert str(caught.value) == (
        f"some.pickle has a {kind} of scikit-learn {version}, and {HERE} is installed here, where "
        f"it may answer differently: add --with-scikit-learn {version} to convert it by that "
        "version, or --check with what the original says of some images."
    )


def test_an_option_that_is_gone_is_refused() -> None:
    estimator = LogisticRegression()
    estimator.multi_class = "auto"
    check_proven("some.pickle", estimator, [Foreign("LogisticRegression", "1.5.2")])
    estimator.multi_class = "ovr"
    with pytest.raises(PickleError, match=r"with multi_class='ovr', which .* no longer has"):
        check_proven("some.pickle", estimator, [Foreign("LogisticRegression", "1.5.2")])


def test_an_option_that_is_gone_is_found_within() -> None:
    inner = LogisticRegression()
    inner.multi_class = "ovr"
    outer = AdaBoostClassifier()
    outer.estimators_ = [inner]
    with pytest.raises(PickleError, match=r"has a LogisticRegression of scikit-learn 1\.5\.2 with"):
        check_proven("some.pickle", outer, [Foreign("LogisticRegression", "1.5.2")])


@pytest.mark.parametrize("version", ["1.2.2", "1.7.2"])
def test_what_a_class_tells_its_base_is_no_option_that_is_gone(version: str) -> None:
    perceptron = MLPClassifier()
    assert perceptron.loss == "log_loss"
    check_proven("some.pickle", perceptron, [Foreign("MLPClassifier", version)])
