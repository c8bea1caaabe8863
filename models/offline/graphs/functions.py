"""NumPy's functions in a ``FunctionTransformer``, as operators."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.preprocessing import FunctionTransformer

from models.offline.graphs.nodes import Nodes

Operation = Callable[[Nodes, str], str]


def _plain(operator: str) -> Operation:
    return lambda nodes, value: nodes.add(operator, value)


def _with(operator: str, number: float, *, before: str = "") -> Operation:
    """``operator`` of the value and a number; ``before`` is an operator of its own result."""

    def operation(nodes: Nodes, value: str) -> str:
        found = nodes.add(operator, value, nodes.constant(number, np.float64))
        return nodes.add(before, found) if before else found

    return operation


_ONE_ARGUMENT: dict[Any, Operation] = {
    np.abs: _plain("Abs"),
    np.cbrt: lambda nodes, value: nodes.add(
        "Mul",
        nodes.add("Sign", value),
        nodes.add("Pow", nodes.add("Abs", value), nodes.constant(1 / 3, np.float64)),
    ),
    np.exp: _plain("Exp"),
    np.exp2: lambda nodes, value: nodes.add("Pow", nodes.constant(2.0, np.float64), value),
    np.expm1: lambda nodes, value: _with("Sub", 1.0)(nodes, nodes.add("Exp", value)),
    np.fabs: _plain("Abs"),
    np.log: _plain("Log"),
    np.log10: lambda nodes, value: _with("Div", float(np.log(10)))(nodes, nodes.add("Log", value)),
    np.log1p: _with("Add", 1.0, before="Log"),
    np.log2: lambda nodes, value: _with("Div", float(np.log(2)))(nodes, nodes.add("Log", value)),
    np.negative: _plain("Neg"),
    np.positive: _plain("Identity"),
    np.reciprocal: _plain("Reciprocal"),
    np.sign: _plain("Sign"),
    np.sqrt: _plain("Sqrt"),
    np.square: lambda nodes, value: nodes.add("Mul", value, value),
    np.tanh: _plain("Tanh"),
}

# Of NumPy's two arguments the second has a name only for some; ``kw_args`` gives it.
_BOUNDS = (("a_min", "min"), ("a_max", "max"))


def apply(nodes: Nodes, value: str, transformer: FunctionTransformer) -> str | None:
    """float32 [N, F]: the function of float32 [N, F]; None if it is not one of NumPy's here.

    In float64, and rounded: NumPy computes most functions of float32 right to the last bit or two.
    """
    function, arguments = transformer.func, transformer.kw_args or {}
    if function is None and not arguments:
        return value
    double = nodes.cast(value, "double")
    if function is np.clip:
        found = _clipped(nodes, double, dict(arguments))
    else:
        operation = _operation(function) if not arguments else None
        found = operation and operation(nodes, double)
    return found and nodes.cast(found, "float")


def _operation(function: Any) -> Operation | None:
    try:
        return _ONE_ARGUMENT.get(function)
    except TypeError:  # It has no hash.
        return None


def _clipped(nodes: Nodes, value: str, arguments: dict[str, Any]) -> str | None:
    bounds = []
    for names in _BOUNDS:
        given = [arguments.pop(name) for name in names if name in arguments]
        if len(given) != 1 or not isinstance(given[0], int | float):
            return None
        bounds.append(nodes.constant(given[0], np.float64))
    return None if arguments else nodes.add("Clip", value, *bounds)
