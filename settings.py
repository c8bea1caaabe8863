"""All settings in one frozen object, read once. Nothing else reads the environment."""

import os
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from errors import SettingsError
from settings_records import RecordSettings
from settings_secrets import SecretFiles

# A scheme, a host and its port, as browsers write them.
_ORIGIN = re.compile(r"https?://[a-z0-9.\-_]+(:\d+)?|https?://\[[0-9a-f:]+\](:\d+)?")


class Settings(RecordSettings):
    """The server's limits and defaults, each read from ``PUPILA_<NAME>``; the port from ``PORT``.

    ``PUPILA_PORT`` is ignored: Kubernetes sets it to an address for a Service named pupila.
    """

    model_config = SettingsConfigDict(
        env_prefix="PUPILA_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    port: int = Field(
        default=8000,
        ge=1,
        le=65535,
        validation_alias="PORT",
        description="TCP port of the server",
    )
    grpc_address: str | None = Field(
        default=None,
        description="address and port where the Open Inference Protocol is answered over gRPC, "
        "such as `0.0.0.0:8001`; by default nowhere. Needs `scripts/install grpc`",
    )
    do_not_track: bool = Field(
        default=True,
        validation_alias="BENTOML_DO_NOT_TRACK",
        description="whether BentoML leaves out its usage reports to its developers",
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="server processes; by default one for each CPU available to the container, "
        "but no more than its memory has room for",
    )
    default_model: str = Field(
        default="clf",
        min_length=1,
        description="model that must be loaded and verified before `/readyz` returns 200",
    )
    deadline_ms: int = Field(
        default=1000,
        ge=1,
        le=60_000,
        description="milliseconds after which a request that is not answered gets 503",
    )
    queue_size: int = Field(
        default=4096,
        ge=1,
        le=100_000,
        description="limit of requests that a worker handles at the same time; more get 503",
    )
    max_batch_size: int = Field(default=64, ge=1, le=4096, description="limit of images in a batch")
    max_connections: int = Field(
        default=4096,
        ge=16,
        le=100_000,
        description="limit of connections to a worker; new ones close the oldest idle one",
    )
    keep_alive_seconds: float = Field(
        default=75.0,
        ge=1,
        le=3600,
        description="seconds that an idle connection stays open; most load balancers use 60",
    )
    max_body_bytes: int = Field(
        default=10 * 1024 * 1024,
        ge=1024,
        description="limit of a request body in bytes; more gets 413",
    )
    max_held_bytes: int | None = Field(
        default=None,
        ge=1024,
        description="limit of bytes in all large request bodies that a worker holds; more get 503; "
        "by default 256 MiB, or a worker's part of 1/16 of the container's memory if that is less",
    )
    cors_origins: str = Field(
        default="",
        description="origins of the pages that may ask from a browser, such as "
        "`https://example.com`, separated by commas; `*` for all",
    )
    max_image_pixels: int = Field(
        default=25_000_000,
        ge=1,
        description="limit of width x height of an image; more gets 400",
    )
    trusted_keys: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(),
        description="files with Ed25519 public keys, separated by `:`; versions that none of them "
        "signed are refused. By default, all versions are trusted",
    )
    decode_bytes: int | None = Field(
        default=None,
        ge=1024 * 1024,
        description="limit of memory in bytes for all images that a worker decodes at once: others "
        "wait, and one that needs more gets 400; by default 160 MiB, or a worker's part of 1/4 of "
        "the container's memory if that is less",
    )
    max_loaded_versions: int = Field(
        default=8,
        ge=2,
        description="limit of versions in memory; the least recently used is dropped",
    )
    cached_answers: int = Field(
        default=1024,
        ge=0,
        le=1_000_000,
        description="answers that a worker keeps for each version with a feature extractor, some "
        "6 KB each, for images that come again byte for byte; 0 for none",
    )
    providers: str = Field(
        default="CPUExecutionProvider",
        min_length=1,
        description="ONNX Runtime's execution providers for feature extractors, separated by "
        "commas, the preferred one first",
    )
    refresh_ms: int = Field(
        default=500,
        ge=50,
        le=60_000,
        description="milliseconds between two checks of the store for new versions",
    )
    drain_ms: int = Field(
        default=2000,
        ge=0,
        le=60_000,
        description="milliseconds for which a server that is shutting down still accepts requests, "
        "while `/readyz` returns 503",
    )
    home: Path = Field(
        default=Path("~/.pupila"),
        validate_default=True,
        description="folder for Pupila's data; created when needed, private to the user",
    )
    keys_file: Path | None = Field(
        default=None,
        description="file with a line for each key, written by `python -m keys create`; by default "
        "keys are in the database",
    )
    require_keys: bool = Field(
        default=False,
        description="whether nobody gets in without a key, even if the server never had one",
    )
    metrics_open: bool = Field(
        default=True,
        description="whether `/metrics` needs no key; if false, one with the scope `read`",
    )

    console: bool = Field(
        default=True,
        description="whether the server has a console, pages for a browser, at `/console/`",
    )
    console_secret: str | None = Field(
        default=None,
        repr=False,
        description="secret that signs the console's cookies and forms, the same for all servers "
        "that share clients; by default a file in `PUPILA_HOME`, created at the first visit",
    )
    # Not in the object's repr, since the URLs of chat programs contain a secret.
    webhook_url: str | None = Field(
        default=None,
        repr=False,
        description="URL that the monitor posts its reports to, and the loop each decision and "
        "each end of a retraining, as JSON with a `text` that chat programs show",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is no such file
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - a folder, not files
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Those in code, of the environment, and of the files that it names."""
        return init_settings, env_settings, SecretFiles(settings_cls)

    @field_validator("trusted_keys", mode="before")
    @classmethod
    def _separate(cls, paths: object) -> object:
        if not isinstance(paths, str):
            return paths
        return tuple(Path(path).expanduser() for path in paths.split(os.pathsep) if path)

    @field_validator("home", "keys_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @property
    def is_closed(self) -> bool:
        """Whether the settings alone say that a key is needed."""
        return self.require_keys or self.keys_file is not None

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, text: str) -> str:
        for origin in _listed(text):
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise PydanticCustomError(
                    "origin",
                    "Input should be a list of origins such as https://example.com, without a path",
                )
        return text

    @field_validator("providers")
    @classmethod
    def _named(cls, text: str) -> str:
        # Whether ONNX Runtime has them, the server asks it when it starts, and says which it has.
        names = _listed(text)
        if not names or len(set(names)) < len(names):
            raise PydanticCustomError(
                "provider",
                "Input should be a list of names such as CPUExecutionProvider, each once",
            )
        return text

    @property
    def records_file(self) -> Path:
        """The database of the records, where ``database_url`` names no other."""
        return self.home / "records.db"

    @property
    def allowed_origins(self) -> list[str]:
        """``cors_origins``, one by one."""
        return _listed(self.cors_origins)

    @property
    def chosen_providers(self) -> tuple[str, ...]:
        """``providers``, one by one."""
        return tuple(_listed(self.providers))

    @classmethod
    def read(cls) -> Self:
        """The settings of this environment; raises SettingsError for the first invalid one."""
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else "?"
            named = name if name.isupper() else f"PUPILA_{name.upper()}"
            expected = first["msg"].replace("Input should", "but should", 1)
            raise SettingsError(f"{named} is {first['input']!r}, {expected}.") from None


def environment(**chosen: object) -> dict[str, str]:
    """The environment of a process that knows none of this one's settings, neither Pupila's nor
    BentoML's, but those ``chosen``, by the names of their variables."""
    others = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PUPILA_", "BENTOML_"))
        and name not in ("PORT", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_URI_FILE")
    }
    return others | {name: str(value) for name, value in chosen.items()}


def bentoml_home() -> Path:
    """BentoML's folder as it finds it itself: ``BENTOML_HOME``, where ``~`` and variables count."""
    named = os.environ.get("BENTOML_HOME") or str(Path("~") / "bentoml")
    return Path(os.path.expandvars(named)).expanduser()


def _listed(text: str) -> list[str]:
    return [part for part in (item.strip() for item in text.split(",")) if part]


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings.read()
