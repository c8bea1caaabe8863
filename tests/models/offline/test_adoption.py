import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from errors import ConversionError
from images.spec import ImageSpec
from models.offline.adoption import adopt, probes

RNG = np.random.default_rng(0)
ESTIMATOR = LogisticRegression().fit(RNG.random((20, 12)), RNG.integers(0, 2, 20))


def test_a_classifier_of_the_specs_size() -> None:
    candidate = adopt(ESTIMATOR, "mine", ImageSpec.parse("rgb-2x2"))
    assert candidate.name == "mine"
    assert candidate.metrics is None
    assert candidate.parameters["C"] == 1.0


def test_a_classifier_of_another_size() -> None:
    with pytest.raises(
        ConversionError, match="expects 12 features, but image spec digits gives 64"
    ):
        adopt(ESTIMATOR, "mine", ImageSpec.parse("digits"))


@pytest.mark.parametrize("name", ["digits", "gray-5x9", "rgb-16x4"])
def test_probes_are_images_of_the_spec(name: str) -> None:
    spec = ImageSpec.parse(name)
    images = probes(spec)
    assert images.dtype == np.uint8
    assert images.shape[1] == spec.n_features
    assert np.ptp(images) > 200
    np.testing.assert_array_equal(images, probes(spec))


def test_members_that_an_older_release_saved_need_not_show_themselves() -> None:
    # Pipelines have had transform_input since 1.6: those before cannot be written as text.
    data = load_digits()
    member = make_pipeline(StandardScaler(), LogisticRegression(max_iter=50))
    votes = VotingClassifier([("a", member), ("b", GaussianNB())]).fit(data.data, data.target)
    for pipeline in (member, votes.estimators_[0]):
        del pipeline.transform_input
    candidate = adopt(votes, "clf", ImageSpec.parse("digits"))
    assert candidate.parameters["estimators"] == "(('a', Pipeline), ('b', GaussianNB()))"
