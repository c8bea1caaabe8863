"""What happens from outside, one thing after the other; all else the service does by itself.

The camera is moved, and later somebody rolls out a bad version. Whoever tells it waits for what the
loop makes of that, and sees it as a user would: over HTTP, and in the lines of the loop.
"""

import base64
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import httpx
import numpy as np

from demo.digits import ANGLE, Digits
from demo.event import Event, Kind, of_decision, of_line
from demo.labels import Labels
from demo.loop import Loop
from demo.place import Place, finished
from demo.screen import Screen
from demo.traffic import MODEL, Traffic
from demo.view import BAD, CURE, FIRST, View
from errors import DemoError

CALM_SECONDS: Final = 15.0
CURED_SECONDS: Final = 12.0
SWAPPED: Final = ("3", "8")
"""The labels that whoever trains the bad version has mixed up."""

_PAUSE_SECONDS: Final = 0.1
_POLL_SECONDS: Final = 0.5
_LABEL_SECONDS: Final = 1.0
# A part of 0.3 is held out: the monitor compares with it, and needs 250 images for that.
_TRAIN: Final = ("--image-spec", "digits", "--holdout", "0.3", "--name", MODEL)


class Story:
    def __init__(
        self, place: Place, digits: Digits, view: View, screen: Screen, until: float
    ) -> None:
        self._place = place
        self._digits = digits
        self.view = view
        self._screen = screen
        self._until = until
        self._loop: Loop | None = None
        self._labels: Labels | None = None
        self._traffic: Traffic | None = None
        self._told = 0
        self._polled = self._labelled = 0.0
        self._challengers: dict[int, str] = {}
        self._said: dict[tuple[str, str, str], str] = {}

    def begin(self, seed: int) -> None:
        """Train the first version and serve it. Raises DemoError, as all do."""
        self._say("act", "training the first version on upright digits")
        self._digits.write(self._place.folder / "digits", seed)
        self._run(self._train("digits"), "the first version")
        self._say("act", f"starting the server at {self._place.url}")
        self._place.serve()
        models = self._get("/models")["models"]
        champion = next(one["champion"] for one in models if one["name"] == MODEL)
        self.view.names[str(champion).rpartition(":")[2]] = FIRST
        self._say("act", "starting the loop: python -m pipeline watch")
        self._loop = Loop(self._place)
        # Without any request it has nothing to say.
        self._place.client.post("/predict/", json=self._first_request(seed))
        self._hold(self._inspected, "the monitor's first inspection")

    def tell(self, traffic: Traffic, labels: Labels) -> None:
        """From calm to calm."""
        self._traffic, self._labels = traffic, labels
        self._act("clients send digits, and all is well")
        self._hold(lambda: bool(self.view.ledger.answers), "an answer")
        self._wait(CALM_SECONDS)
        self._act(f"somebody knocks the camera: it turns by {ANGLE:g}° and loses contrast", "shift")
        traffic.shift()
        self._hold(lambda: self._seen("alarm"), "the monitor's alarm")
        self._hold(lambda: self._seen("retraining"), "a retraining")
        self._hold(lambda: self._seen("shadow"), "the rollout of the retrained version")
        self._hold(lambda: self._seen("promoted"), "its promotion")
        traffic.refresh()
        self._act("the cure is in force; clients now send digits that no version has seen")
        bad = self._place.folder / "bad"
        self._digits.write(bad, 0, SWAPPED)
        training = self._train("bad", "--promote", "never")
        self._wait(CURED_SECONDS)
        output = self._run(training, "the bad version")
        tag = _tag(output)
        self.view.names[tag.partition(":")[2]] = BAD
        self._act(f"somebody rolls out {tag}, trained with {' and '.join(SWAPPED)} swapped, anyway")
        start = self._place.command(
            "rollout", "start", tag, "--anyway", "--because", "an urgent wish"
        )
        self._run(start, "the rollout of the bad version")
        self._hold(lambda: self._seen("rolled back"), "the rollback of the bad version")
        self._act("the bad version is gone")
        self._wait(CURED_SECONDS / 2)

    def _first_request(self, seed: int) -> dict[str, str]:
        image = self._digits.photograph(int(self._digits.parts[1][0]), np.random.default_rng(seed))
        text = base64.b64encode(image).decode()
        return {"request_id": "first", "model": MODEL, "image": text}

    def _train(self, folder: str, *options: str) -> "subprocess.Popen[str]":
        return self._place.command(
            "train", "--data", str(self._place.folder / folder), *_TRAIN, *options
        )

    def _run(self, process: "subprocess.Popen[str]", what: str) -> str:
        self._hold(lambda: process.poll() is not None, what)
        return finished(process, what)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._hold(lambda: time.monotonic() > end, "the time that it takes")

    def _hold(self, condition: Callable[[], bool], what: str) -> None:
        """Go on with everything until the condition holds."""
        while not condition():
            if time.monotonic() > self._until:
                raise DemoError(f"It took too long: {what} has not come.")
            self._go_on()
            time.sleep(_PAUSE_SECONDS)

    def _go_on(self) -> None:
        self._place.check()
        if self._traffic is not None:
            if not self._traffic.running:
                raise DemoError("The clients have ended.")
            self.view.ledger.add(self._traffic.answers())
        if self._loop is not None:
            for line in self._loop.lines():
                self._note(line)
        now = time.monotonic()
        if self._traffic is not None and now - self._polled > _POLL_SECONDS:
            self._polled = now
            self._poll()
        if self._labels is not None and now - self._labelled > _LABEL_SECONDS:
            self._labelled = now
            self._labels.send(self.view.ledger.truth)
            self.view.labels = self._labels.sent
        self._screen.show(self.view)

    def _note(self, line: Mapping[str, Any]) -> None:
        """What the loop says, unless it says it again and again."""
        event = of_line(line)
        if event is None:
            return
        about = str(line["task"]), str(line["what"]), event.kind
        words = re.sub(r"[\d.,%]+", "", event.text.partition(")")[0])
        if event.kind not in ("monitor", "labels", "bad") or self._said.get(about) != words:
            self._said[about] = words
            self.view.events.append(event)

    def _poll(self) -> None:
        """What was decided."""
        decisions = self._get("/rollouts/history").get("decisions", [])
        # After the decisions, so that it has the rollout of each.
        for one in self._get("/rollouts/").get("rollouts", []):
            version = one["challenger"].partition(":")[2]
            self.view.names.setdefault(version, CURE)
            self._challengers[one["id"]] = self.view.name(version)
        for one in reversed(decisions):
            if one["id"] > self._told:
                self._told = one["id"]
                if one["action"] != "found":
                    event = of_decision(one, self._challengers)
                    if event.mark == "shadow" and BAD in event.text:
                        event = replace(event, mark="bad version")
                    self.view.events.append(event)

    def _get(self, path: str) -> dict[str, Any]:
        try:
            answer = self._place.client.get(path)
        except httpx.TransportError:
            return {}
        found: dict[str, Any] = answer.json() if answer.status_code == httpx.codes.OK else {}
        return found

    def _inspected(self) -> bool:
        return any(one.kind == "monitor" for one in self.view.events)

    def _seen(self, mark: str) -> bool:
        return self.view.first(mark) is not None

    def _act(self, text: str, mark: str = "") -> None:
        self.view.act = text
        self._say("act", text, mark)

    def _say(self, kind: Kind, text: str, mark: str = "") -> None:
        self.view.events.append(Event(time.monotonic(), kind, text, mark))
        self._screen.show(self.view)


def _tag(output: str) -> str:
    found = re.search(rf"{MODEL}:\w+", output)
    if found is None:
        raise DemoError(f"The training named no version: {output.strip()[-500:]}")
    return found[0]
