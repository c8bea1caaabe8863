from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from errors import SettingsError
from settings import Settings, bentoml_home, environment
from settings_secrets import variable_of


def test_the_defaults() -> None:
    read = Settings.read()
    assert (read.port, read.workers, read.default_model) == (8000, None, "clf")


def test_a_setting_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUPILA_MAX_BATCH_SIZE", "7")
    monkeypatch.setenv("PORT", "9000")
    read = Settings.read()
    assert (read.max_batch_size, read.port) == (7, 9000)


def test_an_empty_setting_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUPILA_WORKERS", "")
    assert Settings.read().workers is None


def test_what_is_kept_is_under_the_user_s_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUPILA_HOME")
    assert Settings.read().home == Path.home() / ".pupila"
    monkeypatch.setenv("PUPILA_HOME", "~/elsewhere")
    assert Settings.read().home == Path.home() / "elsewhere"


def test_what_kubernetes_sets_for_a_service_of_our_name_does_no_harm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUPILA_PORT", "tcp://10.0.0.1:8000")
    assert Settings.read().port == 8000


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("PUPILA_WORKERS", "0", "but should be greater than or equal to 1."),
        ("PUPILA_DEADLINE_MS", "soon", "but should be a valid integer"),
        ("PORT", "70000", "but should be less than or equal to 65535."),
        ("PUPILA_PROVIDERS", "AExecutionProvider,AExecutionProvider", "but should be a list of"),
        ("PUPILA_PROVIDERS", " , ", "but should be a list of names such as CPUExecutionProvider"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        Settings.read()
    assert str(caught.value).startswith(f"{name} is {value!r}, {why}")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.read().port = 1  # type: ignore[misc]


def test_another_process_is_given_the_chosen_settings_and_none_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUPILA_WORKERS", "3")
    monkeypatch.setenv("BENTOML_HOME", "/mine")
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("LANG", "C.UTF-8")
    found = environment(PUPILA_GUARD_MINUTES=0.1)
    assert found["LANG"] == "C.UTF-8"
    ours = {name: value for name, value in found.items() if name.startswith(("PUPILA_", "BENTO"))}
    assert ours == {"PUPILA_GUARD_MINUTES": "0.1"}
    assert "PORT" not in found


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({}, None),
        ({"mlflow_username": "me", "mlflow_password": "a:b"}, "Basic bWU6YTpi"),
        ({"mlflow_username": "me", "mlflow_token": "t"}, "Bearer t"),
        ({"mlflow_password": "p"}, None),
    ],
)
def test_what_tells_mlflow_who_asks(settings: dict[str, Any], header: str | None) -> None:
    assert Settings(**settings).mlflow_authorization == header


SECRETS = [name for name, field in Settings.model_fields.items() if not field.repr]


def test_what_may_hold_a_password_is_a_secret() -> None:
    assert set(SECRETS) == {
        "console_secret", "database_url", "database_password", "labelstudio_token", "webhook_url",
        "mlflow_tracking_uri", "mlflow_password", "mlflow_token", "tracing_headers",
    }  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_be_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    variable = variable_of(Settings.model_fields[name], name)
    monkeypatch.delenv(variable, raising=False)
    (tmp_path / "secret").write_text("s3cret #\u00e9 \n")
    monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / "secret"))
    read = Settings.read()
    assert getattr(read, name) == "s3cret #\u00e9 "
    assert "s3cret" not in repr(read)


def test_no_other_setting_is_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "workers").write_text("3")
    monkeypatch.setenv("PUPILA_WORKERS_FILE", str(tmp_path / "workers"))
    assert Settings.read().workers is None


def test_a_secret_is_set_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    monkeypatch.setenv("PUPILA_WEBHOOK_URL_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("PUPILA_WEBHOOK_URL", "https://other")
    both = r"^PUPILA_WEBHOOK_URL and PUPILA_WEBHOOK_URL_FILE are both set: unset one\.$"
    with pytest.raises(SettingsError, match=both):
        Settings.read()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "which cannot be read: No such file or directory."),
        (b"", "which is empty."),
        (b"\n", "which is empty."),
        (b"\xff", "which cannot be read: it is not UTF-8."),
    ],
)
def test_a_file_without_a_secret_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("PUPILA_WEBHOOK_URL_FILE", str(path))
    with pytest.raises(SettingsError) as caught:
        Settings.read()
    assert str(caught.value) == f"PUPILA_WEBHOOK_URL_FILE is {str(path)!r}, {why}"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("/srv/models", "/srv/models"),
        ("~/store", "/home/me/store"),
        ("$HOME/b", "/home/me/b"),
        ("", "/home/me/bentoml"),
        (None, "/home/me/bentoml"),
    ],
)
def test_bentomls_folder_is_named_as_bentoml_reads_it(
    monkeypatch: pytest.MonkeyPatch, named: str | None, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    if named is not None:
        monkeypatch.setenv("BENTOML_HOME", named)
    assert bentoml_home() == Path(expected)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", {}),
        (
            "Authorization=Basic%20YTpi, x-team = images ,",
            {"Authorization": "Basic YTpi", "x-team": "images"},
        ),
        ("a=b=c,d=", {"a": "b=c", "d": ""}),
    ],
)
def test_headers_are_written_as_opentelemetry_s(text: str, pairs: dict[str, str]) -> None:
    assert Settings(tracing_headers=text).sent_headers == pairs
    assert Settings(tracing_attributes=text).traced_attributes == pairs


@pytest.mark.parametrize("text", ["Authorization", "=x", "a b=c", "a=b%0d%0ax: y", "ä=b", "a=ä"])
def test_what_is_no_header_is_refused(text: str) -> None:
    assert Settings(tracing_headers=text).sent_headers is None
    with pytest.raises(ValidationError, match="a list such as name=value"):
        Settings(tracing_attributes=text)


@pytest.mark.parametrize(
    "url", ["localhost:4318", "grpc://host", "http://", "http://a:b@host", "http://host/?a=b", "x"]
)
def test_what_is_no_collector_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="a URL such as http://localhost:4318"):
        Settings(tracing_endpoint=url)


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://host", "http://", "http://a:b@host"])
def test_what_is_no_label_studio_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="a URL such as http://localhost:8080"):
        Settings(labelstudio_url=url)
