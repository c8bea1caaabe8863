"""``--abstain``, of every command that makes versions."""

from collections.abc import Callable
from typing import Any, Final

import click

import cli

USUAL: Final = 0.95


def abstain_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the option to a command, as its parameter ``abstain``."""
    return click.option(
        "--abstain",
        cls=cli.OptionalNumber,
        is_flag=False,
        flag_value=USUAL,
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        metavar="[COVERAGE]",
        help="Answer null where the image is not like those of the training, or the prediction set "
        f"of this coverage ({USUAL} unless given) has not exactly one label.",
    )(function)
