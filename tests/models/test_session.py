import numpy as np
import pytest

from models.extractor_operators import EXTRACTOR_OPERATORS
from models.session import open_session
from tests.networks import network, node


def test_what_fails_is_raised_and_not_logged(capfd: pytest.CaptureFixture[str]) -> None:
    head = [node("Reshape", ["places", "seven"], ["out"])]
    content = network(head, sides=("h", "w"), constants={"seven": np.array([7])})
    session = open_session(content, 1, EXTRACTOR_OPERATORS)
    with pytest.raises(Exception, match="Reshape"):
        session.run(None, {"image": np.ones((1, 3, 16, 16), np.float32)})
    assert capfd.readouterr().err == ""
