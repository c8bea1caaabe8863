import socket
import subprocess
from pathlib import Path

import pytest

from errors import SettingsError
from serving.listening import refuse_address, refuse_certificate

NO_PEM = "a file is not in the form PEM, or the key's password is wrong"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "localhost", "1.2.3.4.5", ""])
def test_a_name_is_no_address_to_listen_on(host: str) -> None:
    with pytest.raises(SettingsError, match="is not an address to listen on"):
        refuse_address(host, 8000)


def test_a_port_that_is_taken_or_an_address_of_another_machine_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match="cannot be listened on: Address already in use"):
            refuse_address("127.0.0.1", port)
    refuse_address("127.0.0.1", port)
    with pytest.raises(SettingsError, match="cannot be listened on"):
        refuse_address("203.0.113.7", port)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two certificates, and their keys; the second's has a password."""
    folder = tmp_path_factory.mktemp("keys")
    for name, password in (("a", ("-nodes",)), ("b", ("-passout", "pass:hush"))):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", "/CN=localhost")
        command = (
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        )
        subprocess.run([*command, *password, *files], cwd=folder, check=True, capture_output=True)
    (folder / "none.pem").write_text("no certificate")
    return folder


@pytest.mark.parametrize(
    ("certificate", "key", "password", "why"),
    [
        ("none.pem", "a.key", None, NO_PEM),
        ("a.pem", "none.pem", None, NO_PEM),
        ("a.pem", None, None, NO_PEM),
        ("a.pem", "gone.key", None, "No such file or directory"),
        ("a.pem", "b.key", "hush", "the key is not the certificate's"),
        ("b.pem", "b.key", "wrong", NO_PEM),
        ("b.pem", "b.key", None, NO_PEM),
    ],
)
def test_a_certificate_that_no_worker_could_serve_is_refused(
    keys: Path, certificate: str, key: str | None, password: str | None, why: str
) -> None:
    files = (str(keys / certificate), key and str(keys / key))
    with pytest.raises(SettingsError, match="The certificate cannot be served") as raised:
        refuse_certificate(*files, password, None)
    assert str(raised.value).endswith(f": {why}.")


def test_a_certificate_that_fits_its_key_is_served(keys: Path) -> None:
    refuse_certificate(None, None, None, None)
    refuse_certificate(str(keys / "a.pem"), str(keys / "a.key"), None, str(keys / "b.pem"))
    refuse_certificate(str(keys / "b.pem"), str(keys / "b.key"), "hush", None)
