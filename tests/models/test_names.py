import pytest

from models.names import is_name, model_name


@pytest.mark.parametrize("name", ["clf", "a", "0", "a-b_c.d", "x" * 63])
def test_names_that_bentoml_accepts(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "Clf", "a/b", "..", "a b", "x" * 64, "-a", "a.", "ü", "a\n"])
def test_names_that_it_does_not(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize(
    "asked", ["clf", "clf.pickle", "clf:champion", "clf:20261127-abc", "clf.pickle:challenger"]
)
def test_the_name_in_what_a_client_asks_for(asked: str) -> None:
    assert model_name(asked) == "clf"
