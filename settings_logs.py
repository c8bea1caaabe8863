"""The settings of what a process logs and traces, which ``settings.Settings`` has too."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from settings_rollout import RolloutSettings

# As OpenTelemetry's own variables are written; commas, equals signs and blanks are percent-encoded.
_PAIR: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*=[ -+\--~]*")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def url_like(pattern: str, example: str) -> AfterValidator:
    """Refuses a setting that ``pattern`` does not match, with an example of what is right."""

    def check(url: str | None) -> str | None:
        if url is not None and not re.fullmatch(pattern, url):
            raise PydanticCustomError(
                "url", "Input should be a URL such as {example}", {"example": example}
            )
        return url

    return AfterValidator(check)


class LogSettings(RolloutSettings):
    """In which form, how much of it, and where to."""

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, BeforeValidator(_lower)
    ] = Field(
        default=None,
        description="`debug`, `info`, `warning` or `error`: what is logged; by default `info` in a "
        "server, and `warning` in a command, which prints what it does",
    )
    log_format: Annotated[Literal["auto", "json", "text"], BeforeValidator(_lower)] = Field(
        default="auto",
        description="`json`, a line for each event, or `text`, to read along; `auto` is `text` in "
        "a terminal and `json` elsewhere",
    )
    access_log_rate: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="proportion of requests that are logged; failures (500 and above) always are, "
        "up to 100 a second and worker",
    )

    tracing_endpoint: Annotated[
        str | None,
        url_like(
            r"https?://[^/\s@?#]+(/[^\s?#]*)?",
            "http://localhost:4318, without a user, a query or a fragment",
        ),
    ] = Field(
        default=None,
        description="collector that gets OpenTelemetry traces by OTLP over HTTP, such as "
        "`http://localhost:4318`; without it there are none. Needs `scripts/install tracing`, "
        "which the image has",
    )
    tracing_ratio: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="proportion of requests that are traced; one that comes with a `traceparent` "
        "is traced if, and only if, that says so",
    )
    tracing_headers: str = Field(
        default="",
        repr=False,
        description="headers that the collector needs, such as `Authorization=Basic%20abc`, "
        "separated by commas",
    )
    tracing_service: str = Field(
        default="pupila",
        min_length=1,
        max_length=255,
        description="name of this service in traces, `service.name`",
    )
    tracing_attributes: str = Field(
        default="",
        description="what else traces say of this service, such as "
        "`deployment.environment.name=production`, separated by commas",
    )
    tracing_ca_file: Path | None = Field(
        default=None,
        description="file with the certificates of the authorities that may vouch for the "
        "collector; by default those of the machine",
    )

    @field_validator("tracing_attributes")
    @classmethod
    def _attributes(cls, text: str) -> str:
        if not _are_pairs(text):
            raise PydanticCustomError(
                "pairs", "Input should be a list such as name=value, other=value"
            )
        return text

    @property
    def sent_headers(self) -> dict[str, str] | None:
        """``tracing_headers``, one by one; None if they are not so written, which pydantic would
        say with the secret in its sentence."""
        return _pairs(self.tracing_headers) if _are_pairs(self.tracing_headers) else None

    @property
    def traced_attributes(self) -> dict[str, str]:
        """``tracing_attributes``, one by one."""
        return _pairs(self.tracing_attributes)


def _parts(text: str) -> list[str]:
    return [part for part in (item.strip() for item in text.split(",")) if part]


def _are_pairs(text: str) -> bool:
    return all(_PAIR.fullmatch(part) and unquote(part).isprintable() for part in _parts(text))


def _pairs(text: str) -> dict[str, str]:
    found = (part.partition("=") for part in _parts(text))
    return {name.strip(): unquote(value.strip()) for name, _, value in found}
