import pytest

from errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("It failed."), "It failed"),
        (ValueError("\n  first\nsecond\n"), "first"),
        (ValueError(), "ValueError"),
        (KeyboardInterrupt(" \n"), "KeyboardInterrupt"),
    ],
)
def test_an_error_is_quoted_by_its_first_line(error: BaseException, line: str) -> None:
    assert first_line(error) == line
