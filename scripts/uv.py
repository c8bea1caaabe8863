"""Runs uv with the settings that pip has on this machine: ``python -m scripts.uv pip install …``.

Companies name their package index, proxy and certificates in pip.conf or ``PIP_*``. uv reads
neither, so without this it would ask PyPI. Variables for uv itself have precedence. Those that
change what is installed, or whether hashes are verified, are dropped: the lock alone decides.
"""

import ast
import os
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# How to reach an index, and where to cache. Settings of anything else are dropped.
KEPT = (
    "UV_CACHE_DIR",
    "UV_CONCURRENT_",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_HTTP_",
    "UV_INDEX",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_LINK_MODE",
    "UV_NATIVE_TLS",
    "UV_NO_PROGRESS",
    "UV_OFFLINE",
    "UV_SYSTEM_CERTS",
)
# pip's option, uv's variable for it, uv's separator of several values, and the variables that,
# if set, have precedence over pip's.
OPTIONS = (
    ("index-url", "UV_DEFAULT_INDEX", " ", ("UV_INDEX_URL",)),
    ("extra-index-url", "UV_INDEX", " ", ("UV_EXTRA_INDEX_URL",)),
    ("find-links", "UV_FIND_LINKS", ",", ()),
    ("trusted-host", "UV_INSECURE_HOST", " ", ()),
    ("proxy", "ALL_PROXY", " ", ()),
    ("timeout", "UV_HTTP_TIMEOUT", " ", ()),
    ("default-timeout", "UV_HTTP_TIMEOUT", " ", ()),
    ("client-cert", "SSL_CLIENT_CERT", " ", ()),
)


def pip_settings(listing: str) -> dict[str, str]:
    """What ``pip config list`` prints, by option; pip's own order of precedence."""
    settings: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for line in listing.splitlines():
            name, equals, value = line.partition("=")
            if equals and name.startswith(f"{section}."):
                settings[name.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return settings


def uv_environment(
    pip: Mapping[str, str], environment: Mapping[str, str], system_certificates: bool = False
) -> dict[str, str]:
    """The variables to run uv with, from pip's settings and the user's variables.

    ``system_certificates`` says whether the system has certificates, which pip trusts since 24.2.
    """
    result = {
        name: value
        for name, value in environment.items()
        if not name.startswith("UV_") or name.startswith(KEPT)
    }
    result["UV_NO_CONFIG"] = "1"
    # As pip does, which compares all indexes; pins with hashes rule out the wrong package.
    result.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    for option, variable, separator, others in OPTIONS:
        if pip.get(option) and not any(result.get(name) for name in (variable, *others)):
            result[variable] = separator.join(pip[option].split())
    if pip.get("keyring-provider") == "subprocess":
        result.setdefault("UV_KEYRING_PROVIDER", "subprocess")
    certificates = (
        pip.get("cert")
        or environment.get("REQUESTS_CA_BUNDLE")
        or environment.get("CURL_CA_BUNDLE")
    )
    if environment.get("SSL_CERT_FILE") or environment.get("SSL_CERT_DIR"):
        return result
    if certificates:
        name = "SSL_CERT_DIR" if Path(certificates).is_dir() else "SSL_CERT_FILE"
        result[name] = certificates
    elif system_certificates and "UV_NATIVE_TLS" not in result:
        result.setdefault("UV_SYSTEM_CERTS", "1")
    return result


def uv_arguments(pip: Mapping[str, str]) -> list[str]:
    """What uv has no variable for."""
    offline = pip.get("no-index", "").lower() in {"1", "true", "yes", "on", "t", "y"}
    return ["--no-index"] if offline else []


def has_system_certificates() -> bool:
    paths = ssl.get_default_verify_paths()
    return sys.platform == "darwin" or bool(paths.cafile or paths.capath)


def on_one_disk(uv: Path, environment: Mapping[str, str]) -> bool:
    """Whether uv can link files from its cache into the virtual environment, instead of copying."""
    listed = subprocess.run(
        [uv, "cache", "dir"], env=environment, capture_output=True, text=True, check=False
    )
    cache = Path(listed.stdout.strip() or "/").absolute()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    return existing.stat().st_dev == Path(sys.prefix).stat().st_dev


def main() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    pip = pip_settings(listed.stdout)
    environment = uv_environment(pip, os.environ, has_system_certificates())
    uv = Path(sys.executable).with_name("uv")
    if "UV_LINK_MODE" not in environment and not on_one_disk(uv, environment):
        environment["UV_LINK_MODE"] = "copy"
    os.execve(uv, [str(uv), *sys.argv[1:], *uv_arguments(pip)], environment)


if __name__ == "__main__":
    main()
