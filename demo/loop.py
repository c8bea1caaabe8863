"""The loop, unattended: ``python -m pipeline watch`` as anybody would start it."""

import json
import queue
import threading
from typing import IO, Any

from demo.pace import INSPECT_SECONDS, LOOK_SECONDS
from demo.place import Place


class Loop:
    """Runs from its creation until the place ends."""

    def __init__(self, place: Place) -> None:
        self._lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        command = place.behind(
            "pipeline",
            "watch",
            "--json",
            f"--every={INSPECT_SECONDS}s",
            f"--seconds={LOOK_SECONDS}",
        )
        place.start("loop", command, self._listen)

    def lines(self) -> list[dict[str, Any]]:
        """What it said since the last time."""
        found = []
        while not self._lines.empty():
            found.append(self._lines.get())
        return found

    def _listen(self, output: IO[str]) -> None:
        threading.Thread(target=self._read, args=(output,), daemon=True).start()

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self._lines.put(json.loads(line))
