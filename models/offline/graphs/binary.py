"""Many classes by classifiers of two: one against the rest, one against one, output codes."""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier

from models.offline.graphs.affine import Affine
from models.offline.graphs.asking import Ask, binary, label
from models.offline.graphs.linear import Rescale, normalized_sigmoids
from models.offline.graphs.nodes import Nodes, Outputs
from models.offline.wrappers import innermost

SCHEMES = frozenset({OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier})


def scheme(nodes: Nodes, whole: Any, affine: Affine, ask: Ask) -> Outputs | None:
    """None if a member has no graph."""
    if type(whole) is OneVsOneClassifier:
        return _one_vs_one(nodes, whole, affine, ask)
    if type(whole) is OutputCodeClassifier:
        said = _said(nodes, whole, affine, ask)
        return None if said is None else _codes(nodes, whole, said)
    if whole.multilabel_ or not all(hasattr(one, "classes_") for one in whole.estimators_):
        return None
    if len(whole.estimators_) == 1:
        return ask.answer(nodes, whole.estimators_[0], affine)
    decisions = _said(nodes, whole, affine, ask)
    if decisions is None or not hasattr(whole, "predict_proba"):
        return None if decisions is None else Outputs("scores", decisions)
    if all(type(innermost(one)) is LogisticRegression for one in whole.estimators_):
        # Far from the training data all are too small for float32.
        return Outputs("probabilities", normalized_sigmoids(nodes, nodes.add("Neg", decisions)))
    shares = decisions
    vote = None
    if hasattr(whole.estimators_[0], "decision_function"):
        vote = nodes.add("ArgMax", decisions, axis=1, keepdims=0)
        found = [ask.probabilities(nodes, one, affine) for one in whole.estimators_]
        known = [one for one in found if one is not None]
        if len(known) < len(found):
            return None
        shares = nodes.add("Concat", *(nodes.columns(one, [1]) for one in known), axis=1)
    total = nodes.add("ReduceSum", shares, nodes.constant([1], np.int64), keepdims=1)
    none = nodes.add("Equal", total, nodes.constant(0.0))
    divisor = nodes.add("Where", none, nodes.constant(1.0), total)
    return Outputs("probabilities", nodes.add("Div", shares, divisor), vote)


def rest_decision(nodes: Nodes, whole: OneVsRestClassifier, affine: Affine, ask: Ask) -> str | None:
    """float32 [N, C]: the decision function of one against the rest; of two classes [-d, d]."""
    if len(whole.estimators_) == 1:
        return ask.decision(nodes, whole.estimators_[0], affine, Rescale.plain(2))
    return _said(nodes, whole, affine, ask)


def _said(nodes: Nodes, whole: Any, affine: Affine, ask: Ask) -> str | None:
    """float32 [N, members]."""
    columns: list[str] = []
    for member in whole.estimators_:
        value = binary(nodes, ask, member, affine) if hasattr(member, "classes_") else None
        if value is None:
            return None
        columns.append(value)
    return columns[0] if len(columns) == 1 else nodes.add("Concat", *columns, axis=1)


def _codes(nodes: Nodes, whole: OutputCodeClassifier, said: str) -> Outputs:
    """The nearest code y of what the members say has the largest ``2 y.z - |y|²``."""
    codes = np.asarray(whole.code_book_, np.float64)
    product = nodes.add(
        "Gemm", said, nodes.constant(2 * codes.T), nodes.constant(-(codes**2).sum(axis=1))
    )
    return Outputs("scores", product)


def _one_vs_one(
    nodes: Nodes, whole: OneVsOneClassifier, affine: Affine, ask: Ask
) -> Outputs | None:
    """Votes and confidences, as ``sklearn.utils.multiclass._ovr_decision_function`` has them."""
    n_classes = len(whole.classes_)
    said = _said(nodes, whole, affine, ask) if whole.pairwise_indices_ is None else None
    answers = [ask.answer(nodes, one, affine) for one in whole.estimators_]
    known = [one for one in answers if one is not None]
    if said is None or len(known) < len(answers):
        return None
    first, second = np.triu_indices(n_classes, k=1)
    votes: list[str] = []
    for i, j, found in zip(first, second, known, strict=True):
        ballots = nodes.constant(np.eye(n_classes)[[i, j]])
        votes.append(nodes.add("Gather", ballots, label(nodes, found), axis=0))
    pairs = np.eye(n_classes)[second] - np.eye(n_classes)[first]
    confidence = nodes.add("Softsign", nodes.add("MatMul", said, nodes.constant(pairs)))
    shares = nodes.add("Mul", confidence, nodes.constant(1 / 3))
    scores = nodes.add("Sum", *votes, shares)
    if n_classes > 2:
        return Outputs("scores", scores)
    score = nodes.columns(scores, [1])
    limit = 0.0 if hasattr(whole.estimators_[0], "decision_function") else 0.5
    above = nodes.add("Greater", score, nodes.constant(limit))
    chosen = nodes.add("Where", above, nodes.constant(1, np.int64), nodes.constant(0, np.int64))
    both = nodes.add("MatMul", score, nodes.constant([[-1.0, 1.0]]))
    flat = nodes.add("Squeeze", chosen, nodes.constant([1], np.int64))
    return Outputs("scores", both, flat)
