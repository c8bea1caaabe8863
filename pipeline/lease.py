"""A lease that is renewed for as long as its block runs."""

import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from errors import DatabaseError
from records.database import Database
from records.leases import give_back, take

DURATION = timedelta(seconds=60)
"""How long a crash blocks others, and how long the database may be away before they may begin."""
_RENEWALS = 4


@dataclass(frozen=True)
class HeldLease:
    """``lost``: set once somebody else may have it, so that the work must stop."""

    name: str
    owner: str
    lost: threading.Event = field(default_factory=threading.Event)


def owner_here() -> str:
    """A name for this process that no other has, and that tells a person where it runs."""
    return f"{socket.gethostname()[:64]}/{uuid.uuid4().hex[:12]}"


@contextmanager
def renewed(
    database: Database, name: str, duration: timedelta = DURATION
) -> Iterator[HeldLease | None]:
    """The lease while the block runs; None while somebody else has it. Raises DatabaseError."""
    held = HeldLease(name, owner_here())
    if not take(database, name, held.owner, duration):
        yield None
        return
    stop = threading.Event()
    renewing = threading.Thread(target=_renew, args=(database, held, duration, stop), daemon=True)
    renewing.start()
    try:
        yield held
    finally:
        stop.set()
        renewing.join()
        # What cannot be given back ends by itself.
        with suppress(DatabaseError):
            give_back(database, name, held.owner)


def _renew(database: Database, held: HeldLease, duration: timedelta, stop: threading.Event) -> None:
    failures = 0
    while not stop.wait(duration.total_seconds() / _RENEWALS):
        try:
            taken = take(database, held.name, held.owner, duration)
            failures = 0
        except DatabaseError:
            failures += 1
            taken = failures < _RENEWALS - 1
        if not taken:
            held.lost.set()
            return
