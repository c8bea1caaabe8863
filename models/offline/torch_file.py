"""Weights in a file of PyTorch, read without PyTorch by what can build nothing but tensors.

The form is that of ``torch.save`` before version 1.6 (``_legacy_save`` in its serialization.py):
three small pickles, one of the weights in which each storage is a reference, one of the storages'
keys, then each storage as its number of elements and its raw numbers, little-endian.
"""

import io
import math
import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from errors import ArtifactError
from models.files import read_regular

MAX_BYTES: Final = 2**30
_MAGIC: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001
_MAX_DIMENSIONS: Final = 8
_STORAGES: Final = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


@dataclass(frozen=True)
class _Storage:
    """Numbers that follow later in the file; several tensors may be views of it."""

    dtype: str
    key: str
    size: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a state dict by their names, each an array in the shape that it has in
    PyTorch, whatever the order of its numbers in the file.

    Raises ArtifactError for a file of another form, with anything but tensors in it, or of more
    than 1 GiB.
    """
    try:
        content = read_regular(path.resolve(), MAX_BYTES)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return _weights(io.BytesIO(content), len(content))
    except _UnknownNameError as error:
        raise ArtifactError(f"{path} has more than tensors in it: {error}.") from error
    except Exception as error:
        # What a pickle that was made by hand makes the reader raise may be anything.
        raise ArtifactError(
            f"{path} is not a file of weights as PyTorch before 1.6 wrote it."
        ) from error


def _weights(file: IO[bytes], size: int) -> dict[str, NDArray[Any]]:
    if _Reader(file).load() != _MAGIC or _Reader(file).load() != _PROTOCOL:
        raise ValueError("magic number")
    if _Reader(file).load().get("little_endian") is not True:
        raise ValueError("byte order")
    tensors = _Reader(file).load()
    keys = _Reader(file).load()
    if not isinstance(tensors, dict) or not isinstance(keys, list):
        raise TypeError("not a state dict")
    found = {str(name): one for name, one in tensors.items() if isinstance(one, _Tensor)}
    if len(found) < len(tensors):
        raise _UnknownNameError("entries of other types")
    storages = {one.storage.key: one.storage for one in found.values()}
    arrays = {}
    for key in keys:
        arrays[key] = _read_storage(file, storages[key], size)
    return {name: _viewed(tensor, arrays[tensor.storage.key]) for name, tensor in found.items()}


def _read_storage(file: IO[bytes], storage: _Storage, limit: int) -> NDArray[Any]:
    (count,) = struct.unpack("<q", file.read(8))
    dtype = np.dtype(storage.dtype)
    if count != storage.size or not 0 <= count * dtype.itemsize <= limit:
        raise ValueError("size of a storage")
    return np.frombuffer(file.read(count * dtype.itemsize), dtype, count)


def _viewed(tensor: _Tensor, numbers: NDArray[Any]) -> NDArray[Any]:
    """The tensor by its strides: those of weights that TensorFlow made are not in C order."""
    shape, strides = tensor.shape, tensor.strides
    whole = (*shape, *strides, tensor.offset)
    if len(shape) != len(strides) or len(shape) > _MAX_DIMENSIONS or min(whole) < 0:
        raise ValueError("shape of a tensor")
    last = tensor.offset + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
    if math.prod(shape) > len(numbers) or (math.prod(shape) and last >= len(numbers)):
        raise ValueError("tensor outside of its storage")
    steps = [step * numbers.itemsize for step in strides]
    view = np.lib.stride_tricks.as_strided(numbers[tensor.offset :], shape, steps)
    return np.ascontiguousarray(view).reshape(shape)


class _UnknownNameError(ValueError):
    """The pickle asks for something that is no part of a tensor."""


class _Mapping(OrderedDict[Any, Any]):
    """A state dict; torch hangs ``_metadata`` on it."""


def _rebuilt(storage: object, offset: int, shape: Any, strides: Any, *_: object) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise TypeError("a tensor without a storage")
    return _Tensor(
        storage,
        int(offset),
        tuple(int(side) for side in shape),
        tuple(int(step) for step in strides),
    )


class _Reader(pickle.Unpickler):
    """Of the names that a pickle may ask for, these are all; none is looked up anywhere."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) == ("collections", "OrderedDict"):
            return _Mapping
        if (module, name) in (
            ("torch._utils", "_rebuild_tensor_v2"),
            ("torch._utils", "_rebuild_tensor"),
        ):
            return _rebuilt
        raise _UnknownNameError(f"{ascii(module)[1:-1]}.{ascii(name)[1:-1]}"[:200])

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _location, size, *view = pid
        if kind != "storage" or dtype not in _STORAGES.values() or any(view):
            raise ValueError("a reference to something else than a storage")
        return _Storage(str(dtype), str(key), int(size))
