import pytest

from serving.keys.loopback import is_local
from tests.serving.keys.made import request


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("127.0.0.1", {"Host": "localhost:8000"}),
        ("127.8.8.8", {"Host": "127.0.0.1"}),
        ("::1", {"Host": "[::1]:8000"}),
        ("::ffff:127.0.0.1", {"Host": "LOCALHOST"}),
        ("127.0.0.1", {"Host": "localhost", "Origin": "http://localhost:8000"}),
        ("127.0.0.1", {"Host": "localhost", "Origin": "https://[::1]"}),
    ],
)
def test_this_machine(peer: str, headers: dict[str, str]) -> None:
    assert is_local(request(headers=headers, client=(peer, 5)))


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("10.0.0.5", {"Host": "localhost"}),
        ("::ffff:10.0.0.5", {"Host": "localhost"}),
        ("0.0.0.0", {"Host": "localhost"}),  # noqa: S104 - as an address of a client
        ("testclient", {"Host": "localhost"}),
        ("127.0.0.1", {}),
        ("127.0.0.1", {"Host": "example.com"}),
        ("127.0.0.1", {"Host": "localhost.example.com"}),
        ("127.0.0.1", {"Host": "127.0.0.1.example.com"}),
        ("127.0.0.1", {"Host": "10.0.0.1:8000"}),
        ("127.0.0.1", {"Host": "localhost", "Origin": "http://example.com"}),
        ("127.0.0.1", {"Host": "localhost", "Origin": "null"}),
        ("127.0.0.1", {"Host": "localhost", "Origin": "localhost"}),
        ("127.0.0.1", {"Host": "localhost", "Origin": "http://localhost@example.com"}),
        ("127.0.0.1", {"Host": "localhost", "Forwarded": "for=10.0.0.5"}),
        ("127.0.0.1", {"Host": "localhost", "X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", {"Host": "localhost", "X-Forwarded-Proto": "https"}),
        ("127.0.0.1", {"Host": "localhost", "X-Real-IP": "127.0.0.1"}),
        ("127.0.0.1", {"Host": "localhost", "Via": "1.1 proxy"}),
    ],
)
def test_anybody_else(peer: str, headers: dict[str, str]) -> None:
    assert not is_local(request(headers=headers, client=(peer, 5)))


def test_a_peer_that_is_not_known() -> None:
    assert not is_local(request(headers={"Host": "localhost"}, client=None))
