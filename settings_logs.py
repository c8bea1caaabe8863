"""The settings of what a process logs, which ``settings.Settings`` has too."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from settings_rollout import RolloutSettings


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class LogSettings(RolloutSettings):
    """In which form, and how much of it."""

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
