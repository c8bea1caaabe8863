"""One of several processes that write predictions, traffic and labels as fast as they can.

``python -m tests.records.hammer URL NUMBER ROWS``. At the end, each labels the same prediction, and
creates it if no other has.
"""

import sys

from records.chunks import chunks
from records.database import Database
from records.labels import NewLabel, add
from records.writer import write
from tests.records.rows import NOON, row


def main(url: str, number: int, rows: int) -> None:
    with Database(url, timeout=60) as database:
        for ids in chunks([f"{number}-{i}" for i in range(rows)], 50):
            # In different orders: writers that lock rows in the given order would deadlock.
            keys = [(NOON, "clf", "clf:a", "champion", "label", str(len(id_) % 3)) for id_ in ids]
            keys = keys if number % 2 else keys[::-1]
            write(database, [row(id_) for id_ in ids], {key: keys.count(key) for key in keys})
            items = [NewLabel(id_, 8) for id_ in (ids if number % 2 else ids[::-1])]
            outcomes = add(database, items, lambda _model: [8])
            assert {outcome.status for outcome in outcomes} == {"added"}
        shared = NewLabel("shared", 8, "clf", b"an image")
        outcome = add(database, [shared], lambda _model: [8])[0]
        if outcome.status == "added":
            write(database, [], {(NOON, "clf", "clf:a", "champion", "label", "0"): 1})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
