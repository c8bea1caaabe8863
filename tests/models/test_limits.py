"""The memory that loading may take."""

import resource

import pytest

from errors import ArtifactError
from models.limits import free_bytes, limited_memory
from models.runtime import OnnxRuntime
from tests.bad_graphs import FEATURES, large_memory

np = pytest.importorskip("numpy")


def limit() -> int:
    return resource.getrlimit(resource.RLIMIT_DATA)[0]


def test_a_graph_that_asks_for_terabytes_fails_and_nothing_else() -> None:
    before = limit()
    with limited_memory(), pytest.raises(Exception, match=r"Failed to allocate|bad_alloc|memory"):
        OnnxRuntime(large_memory()).run(np.zeros((1, FEATURES), np.float32))
    assert limit() == before


def test_two_loads_share_one_limit() -> None:
    before = limit()
    with limited_memory():
        first = limit()
        with limited_memory():
            assert limit() == first
        assert limit() == first
    assert limit() == before


def test_what_is_free_is_known_on_linux() -> None:
    free = free_bytes()
    assert free is None or free > 0


def test_an_error_ends_the_limit() -> None:
    before = limit()
    with pytest.raises(ArtifactError), limited_memory():
        raise ArtifactError
    assert limit() == before
