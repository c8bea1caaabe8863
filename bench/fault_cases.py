"""The faults: how each is brought about, and the alerts that it must set off."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import fault_databases as databases
from bench import fault_plays as plays
from bench.fault_stage import Stage

Play = Callable[[Stage], Iterator[None]]


@dataclass(frozen=True)
class Case:
    """``how`` it is brought about; ``lasts``: until it is mended, and not for a moment; ``at
    start``: before the server starts; ``alerts``: that it must set off, and no others but those
    that it ``may``."""

    name: str
    how: str
    play: Play
    alerts: tuple[str, ...] = ()
    lasts: bool = True
    at_start: bool = False
    may: tuple[str, ...] = ()


# Of those where labels, a part of what is asked, get 503 for as long as it takes.
_REFUSING = ("PupilaErrorsFast", "PupilaErrorsSlow", "PupilaRejecting")
_AWAY = ("PupilaDatabaseDown", "PupilaRecordsStale", *_REFUSING)
# Some labels wait instead of being refused, so how many get 503 within seconds is left to chance.
_SLOW = ("PupilaDatabaseDown", "PupilaRecordsStale", "PupilaErrorsSlow")
_BY_CHANCE = ("PupilaErrorsFast", "PupilaRejecting")

CASES = (
    Case(
        "kill -9",
        "SIGKILL to one of two workers",
        plays.killed,
        ("PupilaRecordsLost",),
        lasts=False,
    ),
    Case(
        "out of memory",
        "another process fills the memory of its control group",
        plays.out_of_memory,
        ("PupilaOutOfMemory", "PupilaRecordsLost"),
        lasts=False,
    ),
    Case(
        "full disk",
        "no byte left for the records",
        plays.full,
        ("PupilaRecordsStale", *_REFUSING),
    ),
    Case(
        "read-only home",
        "`PUPILA_HOME` is mounted read-only",
        plays.read_only,
        _AWAY,
        at_start=True,
    ),
    Case(
        "foreign user",
        "started by a user who may not enter the home",
        plays.foreign,
        ("PupilaDown",),
        at_start=True,
    ),
    Case("database away", "PostgreSQL is stopped", databases.database_away, _AWAY),
    Case(
        "wrong password",
        "PostgreSQL has a new one, and ends its connections",
        databases.wrong_password,
        _AWAY,
    ),
    Case(
        "slow database",
        "each message to PostgreSQL takes 2 s",
        databases.slow_database,
        _SLOW,
        may=_BY_CHANCE,
    ),
    Case(
        "DNS gone",
        "the database's name resolves no longer, and its connections end",
        databases.no_dns,
        _AWAY,
    ),
    Case(
        "clock back",
        "by ten minutes, for the server only",
        plays.clock_back,
        ("PupilaRecordsStale", "PupilaWorkerHangs"),
    ),
    Case("port taken", "by another process", plays.port_taken, ("PupilaDown",), at_start=True),
    Case(
        "bad version",
        "the newest version's graph is cut off",
        plays.bad_version,
        ("PupilaVersionRefused",),
    ),
    Case(
        "expired key",
        "the clients' key expires",
        plays.expired_key,
        ("PupilaKeyExpires", "PupilaUnauthorized"),
    ),
    Case(
        "certificate expires",
        "within a day",
        plays.certificate,
        ("PupilaCertificateExpires",),
        at_start=True,
    ),
    Case(
        "wrong certificate",
        "its file is no certificate",
        plays.wrong_certificate,
        ("PupilaDown",),
        at_start=True,
    ),
    Case(
        "no memory for images",
        "8 clients send 3 MiB each, slowly, and a worker holds 4 MiB",
        plays.big_images,
        _REFUSING,
    ),
    Case(
        "no descriptors",
        "1,024 files allowed, 2,048 idle connections",
        plays.no_descriptors,
        ("PupilaDescriptors",),
    ),
    Case("SIGTERM under load", "to the server", plays.ended, ("PupilaDown",)),
    Case(
        "hanging worker",
        "SIGSTOP to one of two workers",
        plays.stopped,
        ("PupilaRecordsStale", "PupilaWorkerHangs"),
    ),
    Case(
        "zombie worker",
        "it is killed while the supervisor is stopped",
        plays.zombie,
        ("PupilaRecordsStale", "PupilaWorkerHangs"),
    ),
    Case(
        "corrupted database",
        "all pages of the SQLite file but the first",
        databases.corrupted,
        _AWAY,
    ),
)
