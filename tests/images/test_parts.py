import io

from hypothesis import given, settings
from hypothesis import strategies as st

from images.parts import Parts

DATA = bytes(range(200))


@settings(deadline=None)
@given(
    cuts=st.lists(st.integers(0, 200), min_size=2, max_size=8),
    steps=st.lists(
        st.tuples(st.sampled_from(["read", "set", "move", "end"]), st.integers(-30, 220)),
        max_size=20,
    ),
)
def test_it_reads_as_a_copy_of_the_parts_would(
    cuts: list[int], steps: list[tuple[str, int]]
) -> None:
    ordered = sorted(cuts[: len(cuts) // 2 * 2])
    ranges = tuple(zip(ordered[::2], ordered[1::2], strict=True))
    copy = io.BytesIO(b"".join(DATA[start:end] for start, end in ranges))
    parts = Parts(DATA, ranges)
    for what, number in steps:
        if what == "read":
            assert parts.read(number) == copy.read(number)
        elif what == "set":
            assert parts.seek(max(0, number)) == copy.seek(max(0, number))
        else:
            whence = io.SEEK_CUR if what == "move" else io.SEEK_END
            assert parts.seek(number, whence) == copy.seek(number, whence)
        assert parts.tell() == copy.tell()
