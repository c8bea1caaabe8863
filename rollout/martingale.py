"""An anytime-valid test of a proportion: one may look after every observation, and stop.

All that a guard compares is reduced to it. Wins against losses, where two versions disagree: a win
is at most as likely as a loss, ``null`` = 1/2. Failures of a challenger that answers a share of
the requests: given that a request failed, the challenger had it with at most the probability
``null`` = its share, if it fails no more often than the champion (Lindon and Malek, Anytime-Valid
Inference for Multinomial Count Data, NeurIPS 2022, https://arxiv.org/abs/2011.03567).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincc, betaln


def log_evidence(successes: ArrayLike, failures: ArrayLike, null: float) -> NDArray[np.float64]:
    """The logarithm of the evidence that a success is more probable than ``null``, for counts.

    The likelihood of the counts, averaged over all probabilities above ``null``, divided by that
    at ``null``: p^s (1 - p)^f integrated in closed form by the incomplete beta function. While the
    probability is ``null`` or less it is a nonnegative supermartingale that begins at 1, so that it
    ever reaches 1 / alpha with probability alpha at most, however often one looks (Ville 1939).
    Mixtures: Robbins, Annals of Mathematical Statistics 41 (1970), pages 1397 to 1409; Howard,
    Ramdas, McAuliffe and Sekhon, Annals of Statistics 49 (2021), pages 1055 to 1080; as betting:
    Waudby-Smith and Ramdas, JRSS B 86 (2024), pages 1 to 27.
    """
    s, f = np.asarray(successes, np.float64), np.asarray(failures, np.float64)
    with np.errstate(divide="ignore"):  # no evidence at all is minus infinity
        above = betaln(s + 1, f + 1) + np.log(betaincc(s + 1, f + 1, null))
    at_null = s * np.log(null) + f * np.log1p(-null)
    return np.asarray(above - np.log1p(-null) - at_null, np.float64)


def is_evident(successes: int, failures: int, null: float, alpha: float) -> bool:
    """Whether a success is more probable than ``null``, wrongly said with probability alpha."""
    return bool(log_evidence(successes, failures, null) >= -np.log(alpha))
