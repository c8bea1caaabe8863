"""The options of a training on photos, and what they mean."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self

import click
from click.core import ParameterSource

from train.options import quantize_options

_OPTIONS = (
    click.option(
        "--features",
        metavar="NAME|FILE.onnx",
        help="Train on what this network makes of the images: efficientnet-lite0, an ONNX file, or "
        "the name of one that was added. The way for photos, of which a few a class are enough.",
    ),
    click.option(
        "--augment",
        is_flag=True,
        help="With --features: train on mirrored, cropped and recolored copies, too.",
    ),
    click.option(
        "--learning-curve",
        is_flag=True,
        help="With --features: say how much more photos would help, with a picture.",
    ),
    quantize_options,
)


def photo_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class PhotoChoice:
    """What the options chose. Raises UsageError for some that do not go together."""

    features: str | None
    augment: bool
    learning_curve: bool
    quantize: bool
    max_loss: float

    @classmethod
    def taken(cls, chosen: dict[str, Any]) -> Self:
        """Out of all options; the others are left."""
        found = cls(**{field.name: chosen.pop(field.name) for field in fields(cls)})
        source = click.get_current_context().get_parameter_source("max_loss")
        if source is not ParameterSource.DEFAULT and not found.quantize:
            raise click.UsageError("--max-loss needs --quantize: it is what int8 may cost.")
        return found

    def __post_init__(self) -> None:
        given = {
            "--augment": self.augment,
            "--learning-curve": self.learning_curve,
            "--quantize": self.quantize,
        }
        for name, is_given in given.items():
            if is_given and self.features is None:
                raise click.UsageError(
                    f"{name} needs --features: it is for photos, whose network that names."
                )
