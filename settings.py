"""Every setting, in one frozen object that is read once: the only reader of the environment."""

from functools import cache
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from errors import SettingsError


class Settings(BaseSettings):
    """The server's limits and defaults, each read from ``PUPILA_<NAME>``; the port from ``PORT``.

    ``PUPILA_PORT`` is left alone: Kubernetes sets it to an address for a Service named pupila.
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
    workers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="server processes; by default one for each CPU that the container may use",
    )
    default_model: str = Field(
        default="clf",
        min_length=1,
        description="the model that must answer before `/readyz` says 200",
    )
    deadline_ms: int = Field(
        default=1000,
        ge=1,
        le=60_000,
        description="milliseconds within which a request is answered, or refused with 503",
    )
    queue_size: int = Field(
        default=4096,
        ge=1,
        le=100_000,
        description="requests a worker answers at once; more get 503",
    )
    max_batch_size: int = Field(
        default=64, ge=1, le=4096, description="images that one call of the classifier takes"
    )
    max_body_bytes: int = Field(
        default=10 * 1024 * 1024, ge=1024, description="size of a request body; larger gets 413"
    )
    max_held_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=1024,
        description="bytes of all large bodies that a worker receives or answers; more get 503",
    )
    max_image_pixels: int = Field(
        default=25_000_000, ge=1, description="width x height of an image before it is decoded"
    )
    max_loaded_versions: int = Field(
        default=8, ge=2, description="versions kept in memory; the least recently used goes first"
    )
    access_log_rate: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="share of predictions that get a line in the log; failures always do",
    )
    refresh_ms: int = Field(
        default=500,
        ge=50,
        le=60_000,
        description="milliseconds between two looks for new versions in the store",
    )
    drain_ms: int = Field(
        default=2000,
        ge=0,
        le=60_000,
        description="milliseconds that a server told to end goes on answering, while `/readyz` "
        "says 503",
    )
    home: Path = Field(
        default=Path("~/.pupila"),
        validate_default=True,
        description="folder of what Pupila keeps; made when it is needed, for its user alone",
    )
    # Left out of the object's text: it may hold a password.
    database_url: str | None = Field(
        default=None,
        repr=False,
        description="where records are kept, `sqlite:////folder/file.db` or "
        "`postgresql://user:password@host/name`; by default `records.db` in `PUPILA_HOME`",
    )

    record: bool = Field(
        default=True,
        description="whether predictions are kept, and all requests counted, in the database",
    )
    record_rate: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="share of ordinary predictions that may be kept; images that are rejected or "
        "predicted with little confidence may be whatever it says",
    )
    record_per_minute: int = Field(
        default=600,
        ge=1,
        description="predictions kept a minute for each model, by all workers; a burst may take a "
        "minute's at once",
    )
    record_unsure: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="a prediction with less confidence is kept before others",
    )
    record_buffer_bytes: int = Field(
        default=32 * 1024 * 1024,
        ge=1024,
        description="what a worker holds until it is in the database; more is dropped",
    )

    # Nor is this in the object's text: chat programs keep their secret in it.
    webhook_url: str | None = Field(
        default=None,
        repr=False,
        description="where `python -m monitor` posts its reports, as JSON with a `text` that chat "
        "programs show",
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @classmethod
    def read(cls) -> Self:
        """The settings of this environment; raises SettingsError naming the first wrong one."""
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else "?"
            variable = name if name.isupper() else f"PUPILA_{name.upper()}"
            raise SettingsError(
                f"{variable} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}."
            ) from None


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings.read()
