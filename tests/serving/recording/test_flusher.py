"""What becomes of predictions and counts whose commit nobody heard of."""

from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest

from errors import DatabaseError
from records.database import Database
from records.traffic import traffic
from records.windows import window
from serving.recording.connection import RecordsConnection
from serving.recording.copier import Copier
from serving.recording.flusher import Flusher
from serving.recording.handover import Handover
from serving.recording.ledger import Ledger
from serving.recording.sampling import Sampled
from serving.recording.scout import Scout
from serving.recording.tally import Tally
from settings import Settings
from tests.databases import Postgres, postgres_server
from tests.lossy import Lossy, lossy
from tests.records.rows import row

MINUTE = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


def handover(request_id: str) -> Handover:
    tally = Tally("clf", "clf:a", ("cat", "dog"))
    tally.predictions[1] += 1
    return Handover([Sampled(row(request_id), 1.0)], [tally], MINUTE, written=Future())


def put(flusher: Flusher, request_id: str) -> None:
    """Hand over, and again wait for it to be written: whoever waits is told of a failure."""
    given = handover(request_id)
    flusher.put(given)
    assert given.written is not None
    given.written.exception(60)


@pytest.mark.parametrize("reached", [True, False], ids=["lost answer", "lost commit"])
def test_nothing_is_written_twice_or_lost(postgres: Postgres, reached: bool) -> None:
    url = postgres.database()
    with lossy(url, postgres.folder, postgres.folder) as (through, proxy):
        write_all(proxy, through, reached=reached)
    with Database(url) as database:
        kept = sorted(one.request_id for one in window(database, "clf"))
        assert kept == ["before", "doubtful", "later"]
        counted = {(one.kind, one.key): one.count for one in traffic(database)}
        assert counted == {("status", "200"): 3, ("label", '"dog"'): 3}


def write_all(proxy: Lossy, url: str, *, reached: bool) -> None:
    chosen = Settings(database_url=url)
    records = RecordsConnection(chosen)
    ledger = Ledger(chosen.record_buffer_bytes)
    flusher = Flusher(records, Copier(chosen), ledger, Scout(chosen, 60))
    flusher.start()
    put(flusher, "before")
    (proxy.lose if reached else proxy.cut).set()
    doubtful = handover("doubtful")
    flusher.put(doubtful)
    assert doubtful.written is not None
    assert isinstance(doubtful.written.exception(60), DatabaseError)
    # Counts of the same minute come before the doubt is settled.
    put(flusher, "later")
    flusher.stop(60)
    records.close()
