"""What a server refuses before it begins to answer gRPC."""

import socket

import pytest

from errors import SettingsError
from serving.grpc.lifecycle import refuse_grpc
from settings import Settings


def refusal(address: str | None, certificate: str | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        refuse_grpc(Settings(grpc_address=address), certificate)
    return str(caught.value)


def test_nothing_is_asked_of_a_server_without() -> None:
    refuse_grpc(Settings(), "cert.pem")


@pytest.mark.parametrize(
    "address", ["8001", "localhost:8001", "127.0.0.1", "10.0.0.1:0", "10.0.0.1:65536", "::1:x"]
)
def test_an_address_is_a_number_and_a_port(address: str) -> None:
    assert refusal(address) == (
        f"PUPILA_GRPC_ADDRESS is {address!r}, but should be an address and a port such as "
        "0.0.0.0:8001 or [::1]:8001."
    )


def test_one_that_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refusal(f"127.0.0.1:{port}").startswith(f"127.0.0.1:{port} cannot be listened on")


def test_what_would_be_read_on_the_way_is_refused_beside_a_certificate() -> None:
    assert "leave TLS for both to a proxy" in refusal("127.0.0.1:8001", "cert.pem")
