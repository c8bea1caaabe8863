"""ONNX Runtime's execution providers, as an operator chose them."""

from collections.abc import Sequence

import internals
from errors import SettingsError
from models.session import CPU


def refuse_providers(chosen: Sequence[str]) -> None:
    """Raises SettingsError for what the ONNX Runtime that is installed does not have; that there
    are some, and none twice, the settings have checked.

    Asks it only if there is something to ask, since it takes 30 MB of the process that starts the
    workers.
    """
    if list(chosen) == [CPU]:
        return
    available = internals.silent_onnxruntime().get_available_providers()
    wrong = [name for name in chosen if name not in available]
    if wrong:
        raise SettingsError(
            f"PUPILA_PROVIDERS names {wrong[0]!r}, but should name providers that this ONNX "
            f"Runtime has: {', '.join(available)}."
        )
