"""The headers by which a caller names its span."""

import pytest

from serving.tracing.context import Parent, parent_of, traceparent

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"


def parent(*values: str, state: tuple[str, ...] = ()) -> Parent | None:
    headers = [(b"host", b"x")]
    headers += [(b"traceparent", value.encode("latin-1")) for value in values]
    return parent_of(headers + [(b"tracestate", value.encode("latin-1")) for value in state])


@pytest.mark.parametrize(
    ("flags", "sampled"), [("00", False), ("01", True), ("03", True), ("fe", False)]
)
def test_the_caller_s_span(flags: str, sampled: bool) -> None:
    found = parent(f"00-{TRACE_ID}-{SPAN_ID}-{flags}")
    assert found == Parent(TRACE_ID, SPAN_ID, sampled, "")


def test_blanks_around_it_are_none_of_it() -> None:
    assert parent(f" 00-{TRACE_ID}-{SPAN_ID}-01\t ") == Parent(TRACE_ID, SPAN_ID, True, "")


@pytest.mark.parametrize("rest", ["", "-", "-what-comes-later"])
def test_a_later_version_is_read_as_far_as_it_is_known(rest: str) -> None:
    found = parent(f"cc-{TRACE_ID}-{SPAN_ID}-01{rest}")
    assert found is not None
    assert found.trace_id == TRACE_ID


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID}-{SPAN_ID}-01-",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"00-{TRACE_ID}-{SPAN_ID}-01\n",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"cc-{TRACE_ID}-{SPAN_ID}-01.more",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID[1:]}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-0x",
        f"00_{TRACE_ID}_{SPAN_ID}_01",
        "ÿ" * 55,
    ],
)
def test_what_is_malformed_names_nobody(value: str) -> None:
    assert parent(value, state=("a=b",)) is None


def test_two_of_them_name_nobody() -> None:
    value = f"00-{TRACE_ID}-{SPAN_ID}-01"
    assert parent(value, value) is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (("rojo=1,congo=2",), "rojo=1,congo=2"),
        (("rojo=1", "congo=2"), "rojo=1,congo=2"),
        ((" rojo=1 ,, congo=2,",), "rojo=1,congo=2"),
        (("1a-_*/@b=x y!",), "1a-_*/@b=x y!"),
        (("",), ""),
        (("Rojo=1",), ""),
        (("rojo",), ""),
        (("rojo=",), ""),
        (("rojo=1,rojo=2",), ""),
        (("rojo=1=2",), ""),
        (("rojo=ÿ",), ""),
        *(((f"{key}=1",), "") for key in ("foo@", "@foo", "foo@@bar", "foo@bar@baz", "foo@1")),
        ((f"{'z' * 256}=1",), f"{'z' * 256}=1"),
        ((f"{'z' * 257}=1",), ""),
        ((f"{'t' * 241}@{'v' * 14}=1",), f"{'t' * 241}@{'v' * 14}=1"),
        ((f"{'t' * 242}@v=1",), ""),
        ((f"t@{'v' * 15}=1",), ""),
        (
            (",".join(f"k{number}=v" for number in range(32)),),
            ",".join(f"k{n}=v" for n in range(32)),
        ),
        ((",".join(f"k{number}=v" for number in range(33)),), ""),
    ],
)
def test_what_tracing_systems_pass_on(given: tuple[str, ...], kept: str) -> None:
    found = parent(f"00-{TRACE_ID}-{SPAN_ID}-01", state=given)
    assert found is not None
    assert found.state == kept


def test_a_long_state_keeps_its_first_members() -> None:
    members = [f"k{number}={'v' * 100}" for number in range(9)]
    found = parent(f"00-{TRACE_ID}-{SPAN_ID}-01", state=(",".join(members),))
    assert found is not None
    assert found.state == ",".join(members[:4])


def test_what_is_written_can_be_read() -> None:
    written = traceparent(TRACE_ID, SPAN_ID, sampled=True).decode()
    assert parent(written) == Parent(TRACE_ID, SPAN_ID, sampled=True, state="")
