"""Proportions, p-values and labels as a person reads them."""

from collections.abc import Sequence

from cli import printable
from models.manifest import Label

_MAX_LABEL = 24


def describe_proportion(label: Label, before: float, now: float) -> str:
    """How much more or less often a class is predicted, from its proportions of the images."""
    change = f"({percent(now)} of the images, {percent(before)} of the reference)"
    if now == 0:
        return f"class {label} is no longer predicted {change}"
    if before == 0:
        return f"class {label} is predicted but not in the reference {change}"
    ratio = now / before
    for factor, often in ((2.75, f"{ratio:.0f} times as often"), (1.75, "twice as often")):
        if ratio >= factor:
            return f"class {label} is predicted {often} {change}"
    if ratio <= 0.6:
        rarely = "half as" if ratio > 0.4 else "far less"
        return f"class {label} is predicted {rarely} often {change}"
    return f"class {label} is predicted {'more' if now > before else 'less'} often {change}"


def p_text(value: float) -> str:
    """A p-value with two significant digits."""
    return f"{value:.2g}" if value >= 1e-9 else "< 1e-9"


def describe_p_value(value: float) -> str:
    """``p = 0.012``, or ``p < 1e-9``."""
    text = p_text(value)
    return f"p {text}" if text[0] == "<" else f"p = {text}"


def percent(proportion: float) -> str:
    """With a decimal near 0% and 100%; never exactly these for a proportion that only rounds to
    them."""
    if 0 < proportion < 0.01 or 0.99 < proportion < 1:
        text = f"{min(max(proportion, 0.001), 0.999):.1%}"
        return text.replace(".0%", "%")
    return f"{proportion:.0%}"


def enumerated(texts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return ", ".join(texts[:-1]) + (" and " if texts[1:] else "") + texts[-1]


def capitalized(text: str) -> str:
    """With a capital first letter, and the rest as it is."""
    return f"{text[:1].upper()}{text[1:]}"


def short(label: Label) -> str:
    """Printable, and without its middle if it is long."""
    text = printable(str(label))
    half = _MAX_LABEL // 2
    return text if len(text) <= _MAX_LABEL else f"{text[: _MAX_LABEL - half - 1]}…{text[-half:]}"
