import pytest

from sizes import size_of, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (123_456, "123 kB"), (2 * 10**15, "2000 TB")],
)
def test_a_size_as_text(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1000", 1000),
        ("500MB", 500_000_000),
        (" 2GiB ", 2 * 1024**3),
        ("1.5 kib", 1536),
        ("2g", 2_000_000_000),
        ("ten", None),
        ("-1", None),
        ("5i", None),
        ("", None),
    ],
)
def test_what_people_write(text: str, size: int | None) -> None:
    assert size_of(text) == size
