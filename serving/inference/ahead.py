"""Which champions are loaded before anybody asks for them.

A classifier loads in 10 ms, within its first request. An extractor takes a second, several on a
busy machine: longer than a request may take, so that the first ones would be refused.
"""

from collections.abc import Iterable
from typing import Final

from models.version import Version

_OF_DEFAULT: Final = 1
"""The default model's champion always has a place in memory."""


class Ahead:
    """Each champion once, so that one that had to leave the memory for others does not come back
    before it is asked for; and no more of them than ``most`` versions in memory leave room for."""

    def __init__(self, most: int) -> None:
        self._room = most - _OF_DEFAULT
        self._begun: set[str] = set()

    def models(self, champions: Iterable[Version]) -> set[str]:
        """The names of those to load now. ``champions``: who answers or would, of every model but
        the default one."""
        slow = [one for one in champions if one.manifest.extractor is not None]
        self._begun &= {one.tag for one in slow}
        new = [one for one in slow if one.tag not in self._begun]
        chosen = new[: max(0, self._room - len(self._begun))]
        self._begun |= {one.tag for one in chosen}
        return {one.name for one in chosen}
