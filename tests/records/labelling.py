"""Labels requests 0, 1, 2 … until it is killed, and prints each when its label is stored."""

import itertools
import sys

from records.database import Database
from records.labels import NewLabel, add


def main(url: str) -> None:
    with Database(url) as database:
        for number in itertools.count():
            add(database, [NewLabel(str(number), 3)], lambda _model: None)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
