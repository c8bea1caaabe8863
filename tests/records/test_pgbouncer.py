"""PostgreSQL behind PgBouncer, which gives each transaction any of its connections."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text

from records.budget import Budget
from records.database import Database
from records.leases import leased
from records.retention import prune
from records.stats import stats
from records.windows import window
from records.writer import committed, write
from tests.databases import Postgres
from tests.pgbouncer import pgbouncer
from tests.records.processes import hammer, together
from tests.records.rows import keep, label, row


@pytest.fixture(scope="module", params=["transaction"])
def url(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[str]:
    with pgbouncer(postgres, request.param) as url:
        yield url


@pytest.fixture
def pooled(url: str) -> Iterator[Database]:
    """In the schema ``public``, which no other test uses: a connection keeps no search path."""
    with Database(url, timeout=30) as database:
        database.prepare()
        yield database
        with database.writing() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))


def test_everything_works_with_any_connection(pooled: Database) -> None:
    for number in range(30):
        keep(pooled, row(str(number), minutes=number))
        label(pooled, str(number), 3 if number % 2 else 8)
    assert len(window(pooled, "clf", limit=None)) == 30
    assert stats(pooled).models[0].labelled == 30
    with leased(pooled, "retrain", "one", timedelta(minutes=1)) as has:
        assert has
    assert Budget(pooled, 10**9).keep().state == "within"
    assert prune(pooled, max_rows=10, labelled=True).rows == 20


def test_several_processes_share_two_connections(pooled: Database, url: str) -> None:
    together(hammer, [(url, number, 50) for number in range(3)])
    assert len(window(pooled, "clf", limit=None, with_images=False)) == 150


def test_limits_are_those_of_each_transaction(pooled: Database, url: str) -> None:
    with pooled.writing() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "30s"
    with psycopg.connect(url, autocommit=True) as other:
        for _ in range(4):
            [(found,)] = other.execute("SHOW statement_timeout").fetchall()
            assert found == "0"


def test_a_transaction_can_be_asked_about(pooled: Database) -> None:
    write(pooled, [row()], {})
    with pooled.writing() as connection:
        number = int(connection.execute(text("SELECT txid_current()")).scalar_one())
    assert committed(pooled, number)
    assert not committed(pooled, number + 1000)
