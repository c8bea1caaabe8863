"""Which versions of a model its aliases name. Who keeps the aliases is not known here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from errors import UnknownVersionError
from models.version import Version


class Named(Protocol):
    """The versions of a model that have an alias, without its name; in practice a ``Routing``."""

    @property
    def champion(self) -> str: ...

    @property
    def challenger(self) -> str | None: ...


Aliases = Callable[[], Mapping[str, Named]]
"""The aliases of the models that have any, as they are when it is called."""


def champion_of(versions: Sequence[Version], named: Named | None) -> tuple[Version, bool]:
    """Of a model's versions, oldest first, the one that answers; False if it does in the place of a
    champion that is not among them."""
    if named is None:
        return versions[-1], True
    found = next((one for one in versions if one.version == named.champion), None)
    return (versions[-1], False) if found is None else (found, True)


def challenger_of(name: str, versions: Sequence[Version], named: Named | None) -> Version:
    """The version on trial. Raises UnknownVersionError if there is none, or not among these."""
    if named is None or named.challenger is None:
        raise UnknownVersionError(f"Model {name!r} has no challenger: no rollout is going on.")
    found = next((one for one in versions if one.version == named.challenger), None)
    if found is None:
        raise UnknownVersionError(
            f"The challenger {name}:{named.challenger} is not in this store: import it, or see: "
            "python -m models list"
        )
    return found
