import socket
from pathlib import Path

import pytest

import settings
from scripts import preflight


@pytest.fixture(autouse=True)
def fresh_settings() -> None:
    settings.settings.cache_clear()


def test_a_free_port_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("PORT", str(port))
    preflight.main()


def test_a_port_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        with pytest.raises(SystemExit, match=rf"127.0.0.1:{port} cannot be listened on"):
            preflight.main()


def test_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "abc")
    with pytest.raises(SystemExit, match="PORT is 'abc'"):
        preflight.main()


def test_a_host_that_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENTOML_HOST", "no-such-host.invalid")
    with pytest.raises(SystemExit, match=r"'no-such-host\.invalid' is not an address"):
        preflight.main()


def test_a_folder_that_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "file"))
    with pytest.raises(SystemExit, match=r"cannot be used \(Not a directory\): set BENTOML_HOME"):
        preflight.main()
