"""The text of an image spec: ``rgb-224x224:crop=256:bicubic:0-255:mean=127:std=128:chw``.

``<color>-<W>x<H>``, then any of these, each after a colon, in any order:

- ``A-B``: the feature of the value 0 and that of 255, such as ``0-255`` or ``1-0``
- ``round``: to the nearest integer
- ``mean=M`` and ``std=S``: subtracted and divided by; one number, or one for each channel with
  commas between; ``imagenet`` for those of ImageNet
- ``hwc``, ``chw``, ``whc``, ``cwh``: the order of the features, outermost first
- ``stretch``, ``crop``, ``crop=<shortest side>``, ``letterbox``, ``letterbox=<value of the rest>``
- ``nearest``, ``box``, ``bilinear``, ``bicubic``, ``lanczos``: the filter
- ``full``, ``reduced``: how large files are decoded
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from images.specfields import Decoding, Filter, Fit, Order

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)

_NUMBER: Final = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?"
_HEAD: Final = re.compile(r"(gray|rgb|bgr)-([1-9][0-9]{0,3})x([1-9][0-9]{0,3})")
_RANGE: Final = re.compile(rf"({_NUMBER})-({_NUMBER})")
_NUMBERS: Final = re.compile(rf"(mean|std)=({_NUMBER}(?:,{_NUMBER})*)")
_FIT: Final = re.compile(r"(crop|letterbox)=([0-9]{1,4})")

_COLORS: Final = {
    "gray": {"mode": "L"},
    "rgb": {"mode": "RGB"},
    "bgr": {"mode": "RGB", "channels_as": "BGR"},
}
_WORDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "round": {"rounding": "nearest"},
    "imagenet": {"mean": IMAGENET_MEAN, "std": IMAGENET_STD},
    **{order.lower(): {"order": order} for order in get_args(Order)},
    **{fit: {"fit": fit} for fit in get_args(Fit)},
    **{name: {"resize": name} for name in get_args(Filter)},
    **{name: {"decoding": name} for name in get_args(Decoding)},
}


def fields_of(text: str) -> dict[str, Any]:
    """The fields of ``ImageSpec`` that a text gives. Raises ValueError, with the reason alone."""
    head, *options = text.split(":")
    match = _HEAD.fullmatch(head)
    if match is None:
        raise ValueError("write digits, gray-<W>x<H> or rgb-<W>x<H>")
    if "" in options:
        raise ValueError("there is nothing after a colon")
    fields: dict[str, Any] = {
        **_COLORS[match[1]],
        "width": int(match[2]),
        "height": int(match[3]),
    }
    for option in options:
        given = _option(option)
        if given is None:
            raise ValueError(
                f"{option!r} is none of A-B, round, mean=, std=, imagenet, "
                f"{', '.join(word for word in _WORDS if word not in ('round', 'imagenet'))}"
            )
        if twice := sorted(given.keys() & fields.keys()):
            raise ValueError(f"{option!r} says {twice[0]} a second time")
        fields |= given
    return fields


def _option(option: str) -> Mapping[str, Any] | None:
    if option in _WORDS:
        return _WORDS[option]
    if match := _RANGE.fullmatch(option):
        return {"black": float(match[1]), "scale": float(match[2])}
    if match := _NUMBERS.fullmatch(option):
        return {match[1]: tuple(float(number) for number in match[2].split(","))}
    if match := _FIT.fullmatch(option):
        name = "shortest" if match[1] == "crop" else "fill"
        return {"fit": match[1], name: int(match[2])}
    return None


def text_of(fields: Mapping[str, Any]) -> str:
    """The text that gives these fields, all of them: the shortest, in one order."""
    return ":".join((_head(fields), *_options(fields)))


def _head(fields: Mapping[str, Any]) -> str:
    color = "gray" if fields["mode"] == "L" else fields["channels_as"].lower()
    return f"{color}-{fields['width']}x{fields['height']}"


def _options(fields: Mapping[str, Any]) -> Iterator[str]:
    fit = fields["fit"]
    if fields["shortest"] is not None:
        yield f"crop={fields['shortest']}"
    elif fields["fill"]:
        yield f"letterbox={fields['fill']}"
    elif fit != "stretch":
        yield fit
    if fields["resize"] != "box":
        yield fields["resize"]
    if (fields["black"], fields["scale"]) != (0.0, 1.0):
        yield f"{_number(fields['black'])}-{_number(fields['scale'])}"
    if fields["rounding"] == "nearest":
        yield "round"
    if (fields["mean"], fields["std"]) == (IMAGENET_MEAN, IMAGENET_STD):
        yield "imagenet"
    else:
        for name in ("mean", "std"):
            if fields[name] is not None:
                yield f"{name}={','.join(map(_number, fields[name]))}"
    if fields["order"] != "HWC":
        yield fields["order"].lower()
    if fields["decoding"] != "full":
        yield fields["decoding"]


def _number(value: float) -> str:
    """Exactly: what ``float`` reads as the same number."""
    return repr(value).removesuffix(".0")
