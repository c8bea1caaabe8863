"""A demo that has gone well, made up: what its clients got, second by second."""

from demo.event import Event
from demo.ledger import Ledger
from demo.traffic import Answer
from demo.view import BAD, CURE, FIRST, View

RATE = 10
BEGAN = 1000.0
SHIFT, CANARY, PROMOTED, BACK, END = 10, 40, 50, 70, 80
NAMES = {"aaa": FIRST, "bbb": CURE, "ccc": BAD}


def answer(number: int, *, right: bool, version: str = "aaa", status: int = 200) -> Answer:
    second = number / RATE
    truth = str(number % 10)
    wrong = str((number + 1) % 10)
    return Answer(
        at=BEGAN + second,
        request_id=f"demo-{number}",
        truth=truth,
        prediction=(truth if right else wrong) if status == 200 else None,
        version=version if status == 200 else "",
        status=status,
        seconds=0.002 + 0.001 * (number % 7),
        moved=0.0 if second < SHIFT else 1.0,
        fresh=second >= PROMOTED,
    )


def told() -> View:
    """All right before the shift, every other answer after it, and 19 of 20 after the promotion."""
    view = View(BEGAN - 5, Ledger(), names=dict(NAMES))
    for number in range(END * RATE):
        second = number / RATE
        cured = second >= PROMOTED or (second >= CANARY and number % 4 == 0)
        right = second < SHIFT or (number % 20 != 0 if cured else number % 2 == 0)
        view.ledger.add([answer(number, right=right, version="bbb" if cured else "aaa")])
    for second, kind, text, mark in (
        (SHIFT, "act", "somebody knocks the camera", "shift"),
        (SHIFT + 5, "bad", "the monitor: ALARM", "alarm"),
        (SHIFT + 11, "bad", "the monitor: ALARM", "alarm"),
        (CANARY, "rollout", "canary 25%", "25%"),
        (PROMOTED, "good", "promoted: of 31 images", "promoted"),
        (BACK, "good", "rolled back: of 31 images", "rolled back"),
    ):
        view.events.append(Event(BEGAN + second, kind, text, mark))  # type: ignore[arg-type]
    view.labels = {"random": 300, "monitor": 20, "rollout": 40}
    return view
