"""Shares and p-values as a person says them."""

from models.manifest import Label


def describe_proportion(label: Label, before: float, now: float) -> str:
    """How much more or less often a class is predicted, from its shares of the images."""
    change = f"({percent(now)} of the images instead of {percent(before)})"
    if now == 0:
        return f"class {label} is no longer predicted {change}"
    if before == 0:
        return f"class {label} is predicted, and is not in the reference {change}"
    ratio = now / before
    for factor, often in ((2.75, f"{ratio:.0f} times as often"), (1.75, "twice as often")):
        if ratio >= factor:
            return f"class {label} is predicted {often} {change}"
    if ratio <= 0.6:
        rarely = "half as" if ratio > 0.4 else "far less"
        return f"class {label} is predicted {rarely} often {change}"
    return f"class {label} is predicted {'more' if now > before else 'less'} often {change}"


def p_text(value: float) -> str:
    """A p-value with the digits that count."""
    return f"{value:.2g}" if value >= 1e-9 else "< 1e-9"


def describe_p_value(value: float) -> str:
    """``p = 0.012``, or ``p < 1e-9``."""
    text = p_text(value)
    return f"p {text}" if text[0] == "<" else f"p = {text}"


def percent(share: float) -> str:
    """A share as a person reads it; never 100 % or 0 % of what is only nearly so."""
    if 0 < share < 0.01 or 0.99 < share < 1:
        return f"{share:.1%}".replace("100.0", "99.9").replace("0.0%", "0.1%").replace("%", " %")
    return f"{share:.0%}".replace("%", " %")
