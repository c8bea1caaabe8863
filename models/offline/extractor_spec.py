"""The image spec of an extractor: the one asked for, or the one that its graph suggests."""

from typing import Final, get_args

from errors import ConversionError
from images.spec import ImageSpec
from images.specfields import Order
from images.spectext import IMAGENET_MEAN, IMAGENET_STD
from models.offline.graph_reader import Fact
from models.offline.surgery import Cut

_WHY: Final = {
    "0-255": "the graph scales them itself",
    "0-1": "the graph normalizes them itself",
    "imagenet": "usual for networks of ImageNet",
}


def spec_for(found: Cut, text: str | None) -> tuple[ImageSpec, Fact]:
    """Raises SpecError for a text that is none, ConversionError for one of other images than the
    graph takes."""
    order: Order = "CHW" if found.sides.layout == "NCHW" else "HWC"
    if text is not None:
        spec = ImageSpec.parse(text)
        # Of one channel, both orders are the same numbers.
        said = any(option.upper() in get_args(Order) for option in text.split(":")[1:])
        if not said and spec.channels > 1:
            spec = spec.model_copy(update={"order": order})
        _check(found, spec, order)
        return spec, Fact("image spec", spec.name, "asked for")
    sides, unit, why = found.sides, found.values != "0-255", _WHY[found.values]
    # The means of ImageNet are those of three colors.
    usual = found.values == "imagenet" and sides.channels == 3
    if found.values == "imagenet" and not usual:
        why = "usual for gray"
    spec = ImageSpec(
        mode="RGB" if sides.channels == 3 else "L",
        width=sides.width,
        height=sides.height,
        resize="bicubic",
        order=order,
        scale=1.0 if unit else 255.0,
        mean=IMAGENET_MEAN if usual else None,
        std=IMAGENET_STD if usual else None,
        decoding="reduced",
    )
    return spec, Fact("image spec", spec.name, f"guessed: {why}; stretched, bicubic")


def _check(found: Cut, spec: ImageSpec, order: Order) -> None:
    sides = found.sides
    orders = {order} if spec.channels > 1 else {"CHW", "HWC"}
    size = (spec.width, spec.height)
    if (
        spec.order not in orders
        or spec.channels != sides.channels
        or (sides.fixed and size != (sides.width, sides.height))
    ):
        any_size = "" if sides.fixed else "any size, such as "
        color = "gray" if sides.channels == 1 else "rgb"
        raise ConversionError(
            f"The graph takes images of {any_size}{sides.width}x{sides.height} with "
            f"{sides.channels} channel{'s'[: sides.channels - 1]} as {order}, and {spec.name} "
            f"makes others: begin with {color}-{sides.width}x{sides.height}, and say "
            f":{order.lower()} or no order."
        )
    if found.input_type == "uint8" and not _are_bytes(spec):
        plain = f"{spec.name.split(':')[0]}:0-255"
        raise ConversionError(
            f"The graph takes whole numbers from 0 to 255, and {spec.name} makes others: give "
            f"{plain}, and no mean or deviation."
        )


def _are_bytes(spec: ImageSpec) -> bool:
    """Whether a spec makes whole numbers from 0 to 255."""
    ends = {spec.black, spec.scale}
    whole = ends == {0.0, 255.0} or (
        spec.rounding == "nearest" and 0 <= min(ends) < max(ends) <= 255
    )
    return whole and spec.mean is None and spec.std is None
