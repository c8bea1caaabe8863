"""Keys in the database, their counts, and what is kept of who did what."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import delete, func, select, text, update

from errors import KeysError, RecordsError
from records.audit import Act, acts
from records.database import Database
from records.key import digest_of, new_secret
from records.keys import add_usage, all_keys, changed_keys, create, revoke, rotate, usage
from records.labels import NewLabel, add
from records.retention import delete as delete_request
from records.schema import audit, labels
from tests.records.rows import keep, row
from tests.records.test_key import FULL, KEY

DAY = date(2030, 1, 31)
OTHER = replace(FULL, revoked_at=None)


def digest() -> bytes:
    found = digest_of(new_secret().encode())
    assert found is not None
    return found


def test_a_key_is_read_as_it_was_created(database: Database) -> None:
    create(database, OTHER)
    create(database, KEY)
    assert all_keys(database) == [OTHER, KEY]


def test_a_name_is_given_once_for_all_time(database: Database) -> None:
    create(database, KEY)
    for _ in range(2):
        with pytest.raises(KeysError, match="There is a key 'line-3' already: choose another name"):
            create(database, replace(KEY, digest=digest()))
        if all_keys(database)[0].revoked_at is None:
            revoke(database, KEY.name)
    assert [key.digest for key in all_keys(database)] == [KEY.digest]


def test_a_revoked_key_stays_and_stays_revoked(database: Database) -> None:
    create(database, KEY)
    revoke(database, KEY.name)
    assert all_keys(database)[0].revoked_at is not None
    for again in (lambda: revoke(database, KEY.name), lambda: rotate(database, KEY.name, digest())):
        with pytest.raises(KeysError, match="'line-3' was revoked: create one with another name"):
            again()


def test_a_rotated_key_keeps_all_but_its_secret(database: Database) -> None:
    create(database, OTHER)
    new = digest()
    assert rotate(database, OTHER.name, new) == replace(OTHER, digest=new)
    assert all_keys(database) == [replace(OTHER, digest=new)]


def test_a_key_that_nobody_created(database: Database) -> None:
    with pytest.raises(KeysError, match="There is no key 'nobody'; see: python -m keys list"):
        revoke(database, "nobody")


def test_every_change_has_a_number_of_its_own(database: Database) -> None:
    version, keys = changed_keys(database, -1)
    assert (version, keys) == (0, [])
    for change in (
        lambda: create(database, KEY),
        lambda: create(database, OTHER),
        lambda: rotate(database, KEY.name, digest()),
        lambda: revoke(database, OTHER.name),
    ):
        change()
        now, keys = changed_keys(database, version)
        assert now > version
        assert keys is not None
        assert changed_keys(database, now) == (now, None)
        version = now
    assert changed_keys(database, -1)[0] == version


def test_counts_of_a_day_add_up(database: Database) -> None:
    assert add_usage(database, DAY, {}) == {}
    assert add_usage(database, DAY, {"b": 2, "a": 1, "c": 0}) == {"a": 1, "b": 2}
    assert add_usage(database, DAY, {"a": 10}) == {"a": 11, "b": 2}
    assert usage(database, DAY + timedelta(days=1)) == {}


def test_what_happens_to_keys_is_kept_without_their_secrets(database: Database) -> None:
    create(database, KEY)
    rotate(database, KEY.name, digest())
    revoke(database, KEY.name)
    assert [act for _, act in acts(database)] == [
        Act("command line", "revoke key", "line-3"),
        Act("command line", "rotate key", "line-3"),
        Act("command line", "create key", "line-3", "predict label"),
    ]


def test_a_label_is_in_the_audit_with_its_key(database: Database) -> None:
    keep(database, row("secret-id"))
    for label in (NewLabel("secret-id", 3, key="line-3", source="line-3", remark="ann"),):
        add(database, [label], lambda _model: None)
    add(database, [NewLabel("secret-id", 8, source="line-3")], lambda _model: None)
    add(database, [NewLabel("secret-id", 8, source="line-3")], lambda _model: None)
    assert [act for _, act in acts(database)] == [
        Act("open", "label", "prediction 1 of clf", "8, was 3"),
        Act("line-3", "label", "prediction 1 of clf", "3"),
    ]
    with database.reading() as connection:
        kept = connection.execute(select(labels.c.key, labels.c.remark).order_by(labels.c.id))
        assert [tuple(one) for one in kept] == [("line-3", "ann"), (None, None)]


def test_an_audit_outlives_what_it_tells_of_without_naming_it(database: Database) -> None:
    keep(database, row("secret-id"))
    add(database, [NewLabel("secret-id", 3)], lambda _model: None)
    delete_request(database, "secret-id", None)
    ((_, act),) = acts(database)
    assert "secret-id" not in repr(act)


@pytest.mark.parametrize(
    "statement", [delete(audit), update(audit).values(actor="nobody")], ids=["delete", "update"]
)
def test_the_audit_cannot_be_changed(database: Database, statement: object) -> None:
    create(database, KEY)

    def change() -> None:
        with database.writing() as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    with pytest.raises(RecordsError, match="the audit table is append-only"):
        change()
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(audit)).scalar_one() == 1


def test_the_audit_cannot_be_emptied(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no TRUNCATE")
    create(database, KEY)

    def empty() -> None:
        with database.writing() as connection:
            connection.execute(text("TRUNCATE audit"))

    with pytest.raises(RecordsError, match="the audit table is append-only"):
        empty()
