"""A tensor of a request, as JSON has it or in binary after the JSON, checked for its size.

Binary is little-endian and row by row; an element of BYTES has its length in front, in four bytes.
Source: Triton's extension_binary_data.md.
"""

import math
import struct
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from errors import BadRequestError, RejectedImageError
from images.formats import is_recognized
from serving.http.base64text import decode_base64
from serving.http.schema import MAX_ITEMS

IMAGE: Final = "image"
FEATURES: Final = "features"
PIXELS: Final = "pixels"

TAKEN: Final = {IMAGE: "BYTES", FEATURES: "FP32", PIXELS: "UINT8"}
"""The inputs, and the datatype of each."""

# Of the protocol: a client that sends one of them means it, and is told which is taken.
_DATATYPES: Final = frozenset(
    (
        *("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
        *("FP16", "FP32", "FP64", "BF16", "BYTES"),
    )
)
_MAX_RANK: Final = 4
_LENGTH: Final = struct.Struct("<I")
_LENGTH_BYTES: Final = 4
_TOP: Final = 255
# What nearly every request has.
_ONE_IMAGE: Final = ([1], [1, 1])
_DTYPES: Final[Mapping[str, np.dtype[Any]]] = {"FP32": np.dtype("<f4"), "UINT8": np.dtype(np.uint8)}


class Tensor(NamedTuple):
    """``shape[0]`` is the number of images.

    ``content``: for ``image`` the bytes of each file; for ``features`` float32 and for ``pixels``
    uint8, flat, as many as the shape says.
    """

    name: str
    shape: tuple[int, ...]
    content: list[bytes] | NDArray[Any]

    @property
    def images(self) -> int:
        return self.shape[0]


def read_tensor(fields: dict[str, Any], binary: bytes) -> Tensor:
    """The tensor that ``fields`` describe; ``binary``: what follows the request's JSON.

    Raises BadRequestError.
    """
    name = fields.get("name")
    if type(name) is not str or name not in TAKEN:
        raise BadRequestError(f"There is no input {_quoted(name)}; send image, features or pixels.")
    datatype = fields.get("datatype")
    if datatype != TAKEN[name]:
        raise _wrong_datatype(name, datatype)
    shape = _shape(name, fields.get("shape"))
    size = _binary_size(name, fields.get("parameters"))
    if size is None:
        if binary:
            raise _odd_binary(name, 0, len(binary))
        return Tensor(name, shape, _of_json(name, shape, fields.get("data")))
    if fields.get("data") is not None:
        raise BadRequestError(
            f"The input {name} has both data and a binary_data_size; send one of them."
        )
    if size != len(binary):
        raise _odd_binary(name, size, len(binary))
    return Tensor(name, shape, _of_binary(name, shape, binary))


def raw_image(body: bytes) -> Tensor:
    """The one image that is all of a body."""
    if not body:
        raise BadRequestError("Image data is required")
    return Tensor(IMAGE, (1,), [body])


def numbered(error: BadRequestError, number: int, images: int) -> BadRequestError:
    """The error of one of several images, and of which one."""
    if images == 1:
        return error
    text = f"{str(error).removesuffix('.')} (image {number + 1} of {images})"
    if isinstance(error, RejectedImageError):
        return RejectedImageError(text.removeprefix("Invalid image data: "))
    return BadRequestError(text)


def _wrong_datatype(name: str, datatype: Any) -> BadRequestError:
    if type(datatype) is str and datatype in _DATATYPES:
        return BadRequestError(f"The input {name} takes {TAKEN[name]}, not {datatype}.")
    return BadRequestError(
        f"The datatype of {name} must be {TAKEN[name]}, not {_quoted(datatype)}."
    )


def _shape(name: str, shape: Any) -> tuple[int, ...]:
    # True and 1.0 are equal to 1.
    if name == IMAGE and shape in _ONE_IMAGE and type(shape[0]) is int is type(shape[-1]):
        return (1,)
    if (
        type(shape) is not list
        or not 1 <= len(shape) <= _MAX_RANK
        or any(type(size) is not int or size < 0 for size in shape)
    ):
        raise BadRequestError(
            f"The shape of {name} must be an array of 1 to {_MAX_RANK} integers, none negative."
        )
    if not 1 <= shape[0] <= MAX_ITEMS:
        raise BadRequestError(
            f"The first dimension of {name} is the number of images, from 1 to {MAX_ITEMS}, "
            f"not {_short(shape[0])}."
        )
    if name == IMAGE and math.prod(shape) != shape[0]:
        raise BadRequestError(
            f"The shape of image must be [N] or [N, 1] for N images, not {_shown(shape)}."
        )
    return tuple(shape)


def _binary_size(name: str, parameters: Any) -> int | None:
    if parameters is None:
        return None
    if type(parameters) is not dict:
        raise BadRequestError(f"The parameters of {name} must be an object.")
    if "shared_memory_region" in parameters:
        raise BadRequestError("Shared memory is not supported; send the tensor in the request.")
    size = parameters.get("binary_data_size")
    if size is not None and (type(size) is not int or size < 0):
        raise BadRequestError(f"The binary_data_size of {name} must be a number of bytes.")
    return size


def _of_binary(name: str, shape: tuple[int, ...], binary: bytes) -> list[bytes] | NDArray[Any]:
    if name == IMAGE:
        return _files(shape[0], binary)
    dtype = _DTYPES[TAKEN[name]]
    wanted = math.prod(shape) * dtype.itemsize
    if len(binary) != wanted:
        raise BadRequestError(
            f"A tensor of {TAKEN[name]} and shape {_shown(shape)} has {_short(wanted)} bytes; "
            f"{name} has {len(binary)}."
        )
    values: NDArray[Any] = np.frombuffer(binary, dtype)
    if name == FEATURES and not np.isfinite(values).all():
        raise _not_finite()
    return values


def _files(images: int, binary: bytes) -> list[bytes]:
    """The bytes of each file, which may be base64 in place of the file itself."""
    files = []
    at = 0
    for number in range(images):
        start = at + _LENGTH_BYTES
        if start > len(binary):
            raise BadRequestError(f"image has {number} elements, and its shape says {images}.")
        (length,) = _LENGTH.unpack_from(binary, at)
        at = start + length
        if at > len(binary):
            raise BadRequestError(
                f"Element {number + 1} of image says that it has {length} bytes, and "
                f"{len(binary) - start} follow."
            )
        files.append(_file(binary[start:at], number, images))
    if at != len(binary):
        raise BadRequestError(
            f"After the {images} elements of image that its shape says, {len(binary) - at} bytes "
            "follow."
        )
    return files


def _file(content: bytes, number: int, images: int) -> bytes:
    # An image's first bytes decide it: this looks no further.
    if not content.isascii():
        return content
    if not content:
        raise numbered(BadRequestError("Image data is required"), number, images)
    if is_recognized(content):
        return content
    return _decoded(content.decode("ascii"), number, images)


def _decoded(text: str, number: int, images: int) -> bytes:
    if not text:
        raise numbered(BadRequestError("Image data is required"), number, images)
    try:
        return decode_base64(text)
    except BadRequestError as error:
        raise numbered(error, number, images) from None


def _of_json(name: str, shape: tuple[int, ...], data: Any) -> list[bytes] | NDArray[Any]:
    if data is None:
        if name == IMAGE:
            raise BadRequestError("Image data is required")
        raise BadRequestError(f"The input {name} has no data.")
    values = _flat(name, data)
    wanted = math.prod(shape)
    if len(values) != wanted:
        raise BadRequestError(
            f"The data of {name} has {len(values)} elements, and its shape {_shown(shape)} says "
            f"{_short(wanted)}."
        )
    if name == IMAGE:
        if any(type(value) is not str for value in values):
            raise BadRequestError("The data of image must be strings of base64.")
        return [_decoded(text, number, len(values)) for number, text in enumerate(values)]
    if name == PIXELS:
        if any(type(value) is not int or not 0 <= value <= _TOP for value in values):
            raise BadRequestError(f"The data of pixels must be integers from 0 to {_TOP}.")
        return np.array(values, np.uint8)
    if any(type(value) is not float and type(value) is not int for value in values):
        raise BadRequestError("The data of features must be numbers.")
    with np.errstate(over="ignore"):
        numbers = np.array(values, np.float32)
    if not np.isfinite(numbers).all():
        raise _not_finite()
    return numbers


def _flat(name: str, data: Any) -> list[Any]:
    """The elements of nested arrays, in their order."""
    values = data
    for _ in range(_MAX_RANK):
        if type(values) is not list:
            break
        if not any(type(value) is list for value in values):
            return values
        if not all(type(value) is list for value in values):
            break
        values = [element for value in values for element in value]
    if type(values) is list and not any(type(value) is list for value in values):
        return values
    raise BadRequestError(
        f"The data of {name} must be an array of its elements, flat or nested as its shape."
    )


def _not_finite() -> BadRequestError:
    return BadRequestError("The data of features must be finite.")


def _odd_binary(name: str, size: int, given: int) -> BadRequestError:
    return BadRequestError(
        f"{given} bytes follow the request's JSON, and the binary_data_size of {name} says {size}."
    )


def _shown(shape: Any) -> str:
    return "[" + ", ".join(map(_short, shape)) + "]"


def _short(number: int) -> str:
    """Integers of any length come from JSON."""
    return str(number) if number.bit_length() <= 64 else "more than 64 bits"


def _quoted(value: Any) -> str:
    return repr(value[:40]) if type(value) is str else "of another type than a string"
