"""XGBoost, LightGBM and CatBoost, from what each library says of its own trees.

XGBoost: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html (the JSON of
``save_raw``). LightGBM: ``Booster.dump_model``. CatBoost: ``save_model(format="json")``.
"""

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from errors import ConversionError
from models.offline.boosters import library_of
from models.offline.graphs.nodes import Nodes
from models.offline.graphs.splits import Splits, below


def booster_probabilities(nodes: Nodes, estimator: Any, value: str) -> str:
    """float32 [N, C]: the same as predict_proba, of float32 [N, F] features.

    Raises ConversionError for what is not a sum of trees of numbers, and other objectives.
    """
    written: dict[str, Callable[[Nodes, Any, str], str]] = {
        "xgboost": _xgboost,
        "lightgbm": _lightgbm,
        "catboost": _catboost,
    }
    return written[str(library_of(estimator))](nodes, estimator, value)


def booster_decision(nodes: Nodes, estimator: Any, value: str) -> str | None:
    """float32 [N, C], of two classes [-d, d]: the decision function, which LightGBM has."""
    if library_of(estimator) != "lightgbm":
        return None
    margin = _lightgbm_margin(nodes, estimator, value).margin
    if len(estimator.classes_) > 2:
        return margin
    return nodes.add("Concat", nodes.add("Neg", margin), margin, axis=1)


def _xgboost(nodes: Nodes, estimator: Any, value: str) -> str:
    name = type(estimator).__name__
    booster = estimator.get_booster()
    # A model that was stopped early answers by its best round.
    best = getattr(estimator, "best_iteration", None)
    if best is not None:
        booster = booster[: int(best) + 1]
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective = learner["objective"]["name"]
    model = learner["gradient_booster"]
    scales = model.get("weight_drop")
    if model["name"] == "dart":
        model = model["gbtree"]
    if model["name"] != "gbtree":
        raise _no_graph(name, f"the booster {model['name']}")
    trees, groups = model["model"]["trees"], model["model"]["tree_info"]
    scales = scales or model["model"].get("weight_drop")  # There since XGBoost 3.4.
    many = objective in {"multi:softprob", "multi:softmax"}
    if not many and objective != "binary:logistic":
        raise _no_graph(name, f"the objective {objective}")
    splits = Splits(len(estimator.classes_) if many else 1, "BRANCH_LT")
    for index, (tree, group) in enumerate(zip(trees, groups, strict=True)):
        if any(tree["split_type"]) or int(tree["tree_param"]["size_leaf_vector"]) > 1:
            raise _no_graph(name, "categories or trees of several outputs")
        _xgboost_tree(splits, tree, group, float(scales[index]) if scales else 1.0)
    base = np.ravel(json.loads(learner["learner_model_param"]["base_score"])).astype(float)
    if not many:
        base = np.log(base / (1 - base))
    missing = float(estimator.missing)
    if not math.isnan(missing):
        is_missing = nodes.add("Equal", value, nodes.constant(missing))
        value = nodes.add("Where", is_missing, nodes.constant(np.nan), value)
    margin = splits.add_to(nodes, value, np.broadcast_to(base, splits.width))
    return nodes.add("Softmax", margin, axis=1) if many else _two(nodes, margin)


def _xgboost_tree(splits: Splits, tree: dict[str, Any], group: int, scale: float) -> None:
    splits.begin()
    children = zip(tree["left_children"], tree["right_children"], strict=True)
    for node, (left, right) in enumerate(children):
        condition = tree["split_conditions"][node]
        if left < 0:
            splits.leaf(node, {group: condition * scale})
        else:
            missing_left = bool(tree["default_left"][node])
            splits.split(
                node, tree["split_indices"][node], condition, left, right, missing=missing_left
            )


class _Margin(NamedTuple):
    margin: str
    objective: str
    slope: float


def _lightgbm(nodes: Nodes, estimator: Any, value: str) -> str:
    margin, objective, slope = _lightgbm_margin(nodes, estimator, value)
    if objective == "multiclass":
        return nodes.add("Softmax", margin, axis=1)
    if slope != 1:
        margin = nodes.add("Mul", margin, nodes.constant(slope))
    return _two(nodes, margin) if objective == "binary" else nodes.add("Sigmoid", margin)


def _lightgbm_margin(nodes: Nodes, estimator: Any, value: str) -> _Margin:
    name = type(estimator).__name__
    dump = estimator.booster_.dump_model()  # Up to the best round, if it was stopped early.
    words = str(dump.get("objective", "none")).split()
    options = dict(word.split(":") for word in words[1:] if ":" in word)
    objective = words[0] if words else "none"
    if objective not in {"binary", "multiclass", "multiclassova"}:
        raise _no_graph(name, f"the objective {objective}")
    each = int(dump["num_tree_per_iteration"])
    trees = dump["tree_info"]
    share = each / len(trees) if dump.get("average_output") and trees else 1.0
    splits = Splits(each, "BRANCH_LEQ")
    for index, tree in enumerate(trees):
        _lightgbm_tree(splits, tree["tree_structure"], index % each, share, name)
    margin = splits.add_to(nodes, value, np.zeros(each))
    return _Margin(margin, objective, float(options.get("sigmoid", 1)))


def _lightgbm_tree(
    splits: Splits, root: dict[str, Any], group: int, share: float, name: str
) -> None:
    splits.begin()
    waiting, count = [(0, root)], 1
    while waiting:
        number, node = waiting.pop()
        if "split_index" not in node:
            if node.get("leaf_features"):
                raise _no_graph(name, "linear trees")
            splits.leaf(number, {group: node["leaf_value"] * share})
            continue
        if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
            raise _no_graph(name, "categories or zero_as_missing")
        # It compares float64 numbers: of the float32 ones, those up to the threshold rounded down.
        threshold = below(float(node["threshold"]))
        as_zero = node["missing_type"] == "None"
        missing_left = threshold >= 0 if as_zero else bool(node["default_left"])
        left, right = count, count + 1
        count += 2
        splits.split(number, node["split_feature"], threshold, left, right, missing=missing_left)
        waiting += [(right, node["right_child"]), (left, node["left_child"])]


def _catboost(nodes: Nodes, estimator: Any, value: str) -> str:
    name = type(estimator).__name__
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.json"
        estimator.save_model(str(file), format="json")
        model = json.loads(file.read_text())
    loss = str(model["model_info"]["params"]["loss_function"]["type"])
    if loss not in {"Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"}:
        raise _no_graph(name, f"the loss {loss}")
    if set(model["features_info"]) - {"float_features"}:
        raise _no_graph(name, "features that are not numbers")
    many = loss.startswith("Multi")
    scale, bias = model["scale_and_bias"]
    splits = Splits(len(estimator.classes_) if many else 1, "BRANCH_GT")
    treatments = [
        one.get("nan_value_treatment") == "AsTrue"
        for one in model["features_info"]["float_features"]
    ]
    for tree in model.get("oblivious_trees", ()):
        _symmetric_tree(splits, tree, float(scale), treatments)
    for tree in model.get("trees", ()):
        _other_tree(splits, tree, float(scale), treatments)
    margin = splits.add_to(nodes, value, np.broadcast_to(np.ravel(bias), splits.width))
    if loss == "MultiClass":
        return nodes.add("Softmax", margin, axis=1)
    return nodes.add("Sigmoid", margin) if many else _two(nodes, margin)


def _symmetric_tree(
    splits: Splits, tree: dict[str, Any], scale: float, treatments: list[bool]
) -> None:
    """The same question for all nodes of a level; the last one's answer is the highest bit."""
    splits.begin()
    questions = list(reversed(tree["splits"] or []))
    values = np.reshape(tree["leaf_values"], (-1, splits.width)) * scale
    inner = 2 ** len(questions) - 1
    for number in range(inner + len(values)):
        if number >= inner:
            splits.leaf(number, dict(enumerate(values[number - inner].tolist())))
            continue
        question = questions[(number + 1).bit_length() - 1]
        feature = question["float_feature_index"]
        no, yes = 2 * number + 1, 2 * number + 2
        splits.split(number, feature, question["border"], yes, no, missing=treatments[feature])


def _other_tree(splits: Splits, root: dict[str, Any], scale: float, treatments: list[bool]) -> None:
    splits.begin()
    waiting, count = [(0, root)], 1
    while waiting:
        number, node = waiting.pop()
        if "split" not in node:
            values = np.ravel(node["value"]) * scale
            splits.leaf(number, dict(enumerate(values.tolist())))
            continue
        question = node["split"]
        feature = question["float_feature_index"]
        no, yes = count, count + 1
        count += 2
        splits.split(number, feature, question["border"], yes, no, missing=treatments[feature])
        waiting += [(yes, node["right"]), (no, node["left"])]


def _two(nodes: Nodes, margin: str) -> str:
    """float32 [N, 2] of the second class's margin [N, 1]."""
    second = nodes.add("Sigmoid", margin)
    first = nodes.add("Sub", nodes.constant(1.0), second)
    return nodes.add("Concat", first, second, axis=1)


def _no_graph(name: str, what: str) -> ConversionError:
    return ConversionError(f"{name} with {what} has no ONNX conversion.")
