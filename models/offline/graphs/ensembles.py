"""Classifiers that put together what others say: votes, stacks, bags."""

from typing import Any

import numpy as np
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier

from models.offline.graphs.affine import Affine
from models.offline.graphs.asking import Ask, label, placed
from models.offline.graphs.linear import Rescale
from models.offline.graphs.nodes import Nodes, Outputs
from models.offline.graphs.steps import exact

ENSEMBLES = frozenset({BaggingClassifier, StackingClassifier, VotingClassifier})


def ensemble(nodes: Nodes, whole: Any, affine: Affine, ask: Ask) -> Outputs | None:
    """None if a member has no graph."""
    if type(whole) is StackingClassifier:
        stacked = stack(nodes, whole, affine, ask)
        return None if stacked is None else ask.answer(nodes, whole.final_estimator_, stacked)
    if type(whole) is BaggingClassifier:
        return _bag(nodes, whole, affine, ask)
    weights = _weights(whole)
    if whole.voting == "hard":
        return _hard(nodes, whole, affine, ask, weights)
    members = []
    for member in whole.estimators_:
        value = ask.probabilities(nodes, member, affine)
        value = value and placed(nodes, value, member.classes_, len(whole.classes_))
        if value is None:
            return None
        members.append(value)
    return Outputs("probabilities", _sum(nodes, members, weights))


def stack(nodes: Nodes, whole: StackingClassifier, affine: Affine, ask: Ask) -> Affine | None:
    """What the members of a stack say: the features of its last classifier."""
    values: list[str] = []
    width = 0
    two = len(whole.classes_) == 2
    for member, method in zip(whole.estimators_, whole.stack_method_, strict=True):
        value, columns = _said(nodes, member, method, affine, ask)
        if value is None:
            return None
        if two and columns == 2:
            value, columns = nodes.columns(value, [1]), 1
        values.append(value)
        width += columns
    if whole.passthrough:
        values.append(exact(nodes, affine))
        width += affine.width
    joined = values[0] if len(values) == 1 else nodes.add("Concat", *values, axis=1)
    return Affine.identity(width, joined)


def _said(
    nodes: Nodes, member: Any, method: str, affine: Affine, ask: Ask
) -> tuple[str | None, int]:
    classes = np.asarray(member.classes_)
    if method == "predict_proba":
        return ask.probabilities(nodes, member, affine), len(classes)
    if method == "decision_function":
        return ask.decision(nodes, member, affine, Rescale.plain(len(classes))), len(classes)
    found = ask.answer(nodes, member, affine)
    if found is None or not np.issubdtype(classes.dtype, np.number):
        return None, 1
    numbers = nodes.constant(classes[:, None])
    return nodes.add("Gather", numbers, label(nodes, found), axis=0), 1


def _bag(nodes: Nodes, whole: BaggingClassifier, affine: Affine, ask: Ask) -> Outputs | None:
    n_classes = len(whole.classes_)
    members: list[str] = []
    features = exact(nodes, affine)
    for member, chosen in zip(whole.estimators_, whole.estimators_features_, strict=True):
        all_of_them = np.array_equal(chosen, np.arange(affine.width))
        if all_of_them:
            seen = affine
        else:
            seen = Affine.identity(len(chosen), nodes.columns(features, chosen))
        if hasattr(member, "predict_proba"):
            value = ask.probabilities(nodes, member, seen)
            value = value and placed(nodes, value, member.classes_, n_classes)
        else:
            value = _vote(nodes, member, seen, ask, n_classes)
        if value is None:
            return None
        members.append(value)
    return Outputs("probabilities", nodes.add("Mean", *members))


def _hard(
    nodes: Nodes, whole: VotingClassifier, affine: Affine, ask: Ask, weights: list[float]
) -> Outputs | None:
    """The share of the votes of each class, as ``scores``."""
    members: list[str] = []
    for member in whole.estimators_:
        value = _vote(nodes, member, affine, ask, len(whole.classes_))
        if value is None:
            return None
        members.append(value)
    return Outputs("scores", _sum(nodes, members, weights))


def _vote(nodes: Nodes, member: Any, affine: Affine, ask: Ask, n_classes: int) -> str | None:
    """float32 [N, C]: 1 for the class that a member predicts."""
    found = ask.answer(nodes, member, affine)
    classes = np.asarray(member.classes_)
    if found is None or not np.issubdtype(classes.dtype, np.integer):
        return None
    ballots = nodes.constant(np.eye(n_classes)[classes])
    return nodes.add("Gather", ballots, label(nodes, found), axis=0)


def _weights(whole: VotingClassifier) -> list[float]:
    """Of the members, with a sum of 1."""
    given = whole._weights_not_none
    weights = np.ones(len(whole.estimators_)) if given is None else np.asarray(given, np.float64)
    return list((weights / weights.sum()).tolist())


def _sum(nodes: Nodes, members: list[str], weights: list[float]) -> str:
    parts = [
        nodes.add("Mul", member, nodes.constant(weight))
        for member, weight in zip(members, weights, strict=True)
    ]
    return parts[0] if len(parts) == 1 else nodes.add("Sum", *parts)
