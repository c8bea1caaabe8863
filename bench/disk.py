"""A million records under a budget of bytes, and the monitor over what is left of photos.

    python -m bench.disk [--rows 1000000] [--photos 30000] [--folder /tmp]

No million photos are decoded. First a million rows are written to SQLite with images of a
hundredth of a copy's bytes, and a hundredth of the budget: as many rows come and go as of real
copies under the budget that is shipped. Then rows with real copies of photos of 12 megapixels, made
by the recorder's own code and repeated, are written under the real budget of 2 GiB, until it has
been full for a while; and ``python -m monitor run`` looks at the last day of them.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from bench.table import markdown
from images.copies import make_copy
from images.decoding import examine
from images.spec import ImageSpec
from models.store import Store
from records.budget import Budget
from records.chunks import chunks
from records.database import Database
from records.prediction import KeptPrediction
from records.retention import count
from records.writer import write
from settings import Settings, environment

COPIES = 6
WRITE = 500
SCALE = 100
SHOWN = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--photos", type=int, default=30_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = parser.parse_args()
    copies, sizes = _copies()
    size = float(np.mean([*map(len, copies)]))
    print(f"{COPIES} photos: {_mb(sizes)} each, their copies {_mb(size)}")
    limit = int(Settings.model_fields["record_disk"].default)
    rows = []
    home = Path(tempfile.mkdtemp(prefix="pupila-bench-", dir=chosen.folder))
    try:
        bit = os.urandom(round(size / SCALE))
        found = _fill(home / "small.db", chosen.rows, limit // SCALE, lambda _: bit)
        rows.append([f"1:{SCALE}", *found])
        (home / "small.db").unlink()
        env = environment(PUPILA_HOME=home, BENTOML_HOME=home / "bentoml")
        train = [sys.executable, "-m", "train", "--recipe", "logistic"]
        subprocess.run(train, env=env, check=True, capture_output=True)
        version = Store(home / "bentoml" / "models").champion("clf").version
        found = _fill(home / "records.db", chosen.photos, limit, lambda i: copies[i], version)
        rows.append(["copies", *found])
        head = ["", "written", "kept", "budget", "in use, most", "file and log, most", "seconds"]
        print(markdown(head, rows))
        print(_monitor(env))
    finally:
        shutil.rmtree(home)


def _copies() -> tuple[list[bytes], float]:
    """Copies for the digits' spec, and the mean size of their originals."""
    made, sizes = [], []
    for seed in range(COPIES):
        data = _photo(seed)
        copy = make_copy(examine(data), ImageSpec.parse("digits"), 2**28)
        if copy is None:
            sys.exit("A photo was not copied.")
        made.append(copy)
        sizes.append(len(data))
    return made, float(np.mean(sizes))


def _photo(seed: int) -> bytes:
    """A JPEG of 12 megapixels with structure of all sizes, and a sensor's noise."""
    rng = np.random.default_rng(seed)
    image = np.zeros((3000, 4000, 3), np.float32)
    for side in (4, 16, 64, 256, 1024):
        # The finer, the fainter.
        deviation = 100 / side**0.5
        coarse = rng.normal(0, deviation, (side * 3 // 4, side, 3)).astype(np.float32)
        for band in range(3):
            layer = Image.fromarray(coarse[:, :, band])
            image[:, :, band] += np.asarray(layer.resize((4000, 3000), Image.Resampling.BICUBIC))
    image += rng.normal(0, 3, image.shape).astype(np.float32)
    file = io.BytesIO()
    Image.fromarray((image + 128).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def _fill(
    path: Path, rows: int, limit: int, image: Callable[[int], bytes], version: str = "a"
) -> list[str]:
    """Write rows over a day until now, and keep the budget as a server does: a look after what
    would come in three seconds."""
    start = datetime.now(UTC) - timedelta(days=1)
    step = timedelta(days=1) / rows
    probabilities = np.full(10, 0.1, "<f4").tobytes()
    plain = KeptPrediction(
        request_id="", model="clf", version=version, role="champion", at=start, label=1,
        confidence=0.1, probabilities=probabilities, weight=1.0,
    )  # fmt: skip
    most = files = 0
    started = time.perf_counter()
    with Database(f"sqlite:///{path}", create=True, timeout=60) as database:
        database.prepare()
        budget = Budget(database, limit)
        for numbers in chunks(range(rows), WRITE):
            kept = [
                replace(plain, request_id=str(i), at=start + i * step, image=image(i % COPIES))
                for i in numbers
            ]
            write(database, kept, {})
            state = budget.keep()
            most = max(most, state.bytes)
            files = max(files, sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*")))
            if numbers[-1] // SHOWN != (numbers[0] - 1) // SHOWN:
                print(f"{numbers[-1] + 1:,} rows, {_mb(most)} at most", file=sys.stderr, flush=True)
        left = count(database)
    seconds = time.perf_counter() - started
    return [f"{rows:,}", f"{left:,}", *map(_mb, (limit, most, files)), f"{seconds:,.0f}"]


def _monitor(env: dict[str, str]) -> str:
    command = [sys.executable, "-m", "monitor", "run", "--since", "2d"]
    process = subprocess.Popen(command, env=env, stdout=sys.stderr)
    memory = ""
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        # Not what wait4 says of memory, which begins with that of this process.
        memory = _peak(process.pid) or memory
        time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    cpu = ended[2].ru_utime + ended[2].ru_stime
    return f"monitor run: exit {process.returncode}, {cpu:.1f} s of CPU, {memory} at most"


def _peak(process_id: int) -> str:
    """The most memory that a process has had, as Linux writes it."""
    lines = Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("VmHWM")), "")


def _mb(size: float) -> str:
    return f"{size / 1e6:,.2f} MB"


if __name__ == "__main__":
    main()
