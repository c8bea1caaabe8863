"""Keys of what is counted of a challenger."""

import pytest

from records.kinds import change_key, changed


@pytest.mark.parametrize(("before", "after"), [("8", "3"), ('"a>b"', '"c"'), ('"\\">"', "8")])
def test_a_change_is_read_as_it_was_written(before: str, after: str) -> None:
    assert changed(change_key(before, after)) == (before, after)
