"""What makes two labels the same."""

import numpy as np
import pytest

from labels import label_key, nfc, plain, twins

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (8, 8),
        (8.0, 8),
        (-0.0, 0),
        (np.float64(3.0), 3),
        ("8.0", "8.0"),
        (DECOMPOSED, COMPOSED),
        (COMPOSED, COMPOSED),
        ("\u1112\u1161\u11ab", "\ud55c"),
        (8.5, 8.5),
        (1e300, 1e300),
        (True, True),
        (None, None),
    ],
)
def test_a_label(value: object, label: object) -> None:
    assert plain(value) == label
    assert type(plain(value)) is type(label)


def test_a_number_that_is_none() -> None:
    assert plain(float("nan")) != plain(float("nan"))


def test_form_c_is_not_form_kc() -> None:
    assert nfc("\ufb01") == "\ufb01"


def test_the_first_two_that_are_the_same() -> None:
    assert twins(["a", COMPOSED, "b", DECOMPOSED]) == (COMPOSED, DECOMPOSED)
    assert twins(["a", "A", COMPOSED, COMPOSED]) is None


def test_labels_of_one_type_and_one_form_have_one_key() -> None:
    assert label_key(COMPOSED) == label_key(DECOMPOSED)
    assert label_key(8) != label_key("8")
    assert label_key(None) != label_key("")
