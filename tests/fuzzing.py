"""How many made-up requests a test sends: some in every run, many in that of ``make fuzz``."""

import os

_MANY = os.environ.get("FUZZ") == "1"


def examples(some: int, many: int) -> int:
    return many if _MANY else some
