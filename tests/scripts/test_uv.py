from pathlib import Path

from scripts.uv import pip_settings, uv_arguments, uv_environment

LISTING = """\
:env:.index-url='https://me:s3cret@mirror.test/simple'
global.extra-index-url='https://one.test/simple\\nhttps://two.test/simple'
global.index-url='https://old.test/simple'
install.find-links='/wheels https://three.test/wheels'
"""


def test_the_nearest_of_pips_settings_counts() -> None:
    settings = pip_settings(LISTING)
    assert settings["index-url"] == "https://me:s3cret@mirror.test/simple"
    assert settings["find-links"] == "/wheels https://three.test/wheels"
    assert pip_settings("") == {}


def test_uv_asks_the_indexes_that_pip_asks() -> None:
    environment = uv_environment(pip_settings(LISTING), {})
    assert environment == {
        "UV_NO_CONFIG": "1",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_DEFAULT_INDEX": "https://me:s3cret@mirror.test/simple",
        "UV_INDEX": "https://one.test/simple https://two.test/simple",
        "UV_FIND_LINKS": "/wheels,https://three.test/wheels",
    }


def test_an_index_named_for_uv_has_precedence() -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        environment = uv_environment({"index-url": "https://pip.test"}, {name: "https://uv.test"})
        assert "https://pip.test" not in environment.values()
        assert environment[name] == "https://uv.test"


def test_the_way_to_the_index_is_passed_on(tmp_path: Path) -> None:
    pip = {
        "cert": "/etc/company.pem",
        "client-cert": "/etc/me.pem",
        "proxy": "http://proxy.test:3128",
        "trusted-host": "a.test b.test",
        "default-timeout": "60",
        "timeout": "90",
        "keyring-provider": "subprocess",
    }
    environment = uv_environment(pip, {})
    assert environment["SSL_CERT_FILE"] == "/etc/company.pem"
    assert environment["SSL_CLIENT_CERT"] == "/etc/me.pem"
    assert environment["ALL_PROXY"] == "http://proxy.test:3128"
    assert environment["UV_INSECURE_HOST"] == "a.test b.test"
    assert environment["UV_HTTP_TIMEOUT"] == "90"
    assert environment["UV_KEYRING_PROVIDER"] == "subprocess"
    assert uv_environment({"cert": str(tmp_path)}, {})["SSL_CERT_DIR"] == str(tmp_path)


def test_certificates_named_as_pip_reads_them() -> None:
    bundle = {"REQUESTS_CA_BUNDLE": "/etc/company.pem"}
    assert uv_environment({}, bundle)["SSL_CERT_FILE"] == "/etc/company.pem"
    for named in ({"SSL_CERT_FILE": "/mine.pem"}, {"SSL_CERT_DIR": "/mine"}):
        assert uv_environment({}, bundle | named).items() >= named.items()
        assert "/etc/company.pem" not in (
            uv_environment({}, bundle | named).get(name)
            for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
        )


def test_certificates_of_the_system_are_trusted_where_none_are_named() -> None:
    assert uv_environment({}, {}, system_certificates=True)["UV_SYSTEM_CERTS"] == "1"
    for named in ({"SSL_CERT_FILE": "/mine.pem"}, {"UV_NATIVE_TLS": "0"}):
        assert "UV_SYSTEM_CERTS" not in uv_environment({}, named, system_certificates=True)
    company = {"cert": "/etc/company.pem"}
    assert "UV_SYSTEM_CERTS" not in uv_environment(company, {}, system_certificates=True)


def test_no_variable_changes_what_is_installed() -> None:
    user = {
        "UV_NO_VERIFY_HASHES": "1",
        "UV_CONSTRAINT": "mine.txt",
        "UV_EXCLUDE_NEWER": "2020-01-01",
        "UV_SYSTEM_PYTHON": "1",
        "UV_CACHE_DIR": "/cache",
        "PATH": "/bin",
    }
    environment = uv_environment({}, user)
    assert not environment.keys() & {*user} - {"UV_CACHE_DIR", "PATH"}
    assert environment["UV_CACHE_DIR"] == "/cache"
    assert environment["PATH"] == "/bin"


def test_no_index_is_an_option() -> None:
    assert uv_arguments({"no-index": "1"}) == ["--no-index"]
    assert uv_arguments({"no-index": "false"}) == []
    assert uv_arguments({}) == []
