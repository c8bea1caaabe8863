import pytest

from errors import OverloadedError
from serving.inference.admission import Admission
from settings import Settings


def test_a_full_server_lets_nobody_in_until_a_place_is_free() -> None:
    admission = Admission(Settings(queue_size=1))
    with (
        admission.slots(1),
        pytest.raises(OverloadedError, match="limit of"),
        admission.slots(1),
    ):
        pass
    with admission.slots(1):
        pass


def test_a_failed_request_frees_its_place() -> None:
    admission = Admission(Settings(queue_size=1))
    with pytest.raises(ValueError, match="failed"), admission.slots(1):
        raise ValueError("failed")
    with admission.slots(1):
        pass


def test_a_batch_takes_as_many_places_as_it_has_items() -> None:
    admission = Admission(Settings(queue_size=4))
    with admission.slots(3):
        with pytest.raises(OverloadedError), admission.slots(2):
            pass
        with admission.slots(1):
            pass


def test_large_bodies_have_room_up_to_a_sum() -> None:
    admission = Admission(Settings(max_held_bytes=2048))
    with admission.bodies() as hold:
        hold(2000)
        with pytest.raises(OverloadedError, match="large bodies"), admission.bodies() as other:
            other(100)
    with admission.bodies() as hold:
        hold(2048)
