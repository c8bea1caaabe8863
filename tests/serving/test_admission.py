import pytest

from errors import OverloadedError
from serving.admission import Admission
from settings import Settings


def test_a_full_server_lets_nobody_in_until_a_place_is_free() -> None:
    admission = Admission(Settings(queue_size=1))
    with admission, pytest.raises(OverloadedError, match="as many as it may"), admission:
        pass
    with admission:
        pass


def test_a_failed_request_frees_its_place() -> None:
    admission = Admission(Settings(queue_size=1))
    with pytest.raises(ValueError, match="failed"), admission:
        raise ValueError("failed")
    with admission:
        pass
