"""A fault that lasts: it is logged when it begins or changes, and when it has ended."""

import logging


class Fault:
    def __init__(self, logger: logging.Logger, ended: str) -> None:
        """``ended``: the line that tells of its end."""
        self._logger = logger
        self._ended = ended
        self._present = ""

    def is_now(self, fault: str) -> None:
        """What is wrong now, in a sentence; nothing is, if it is empty."""
        if fault and fault != self._present:
            self._logger.warning("%s", fault)
        elif self._present and not fault:
            self._logger.warning("%s", self._ended)
        self._present = fault
