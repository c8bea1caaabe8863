"""The models beside the Bento that the code is part of."""

import shutil
import subprocess
import sys
from pathlib import Path

from models.store import Store
from tests.drafts import LinearDraft
from tests.servers import ROOT, environment

LIST = "from models.store import Store; print(*[one.tag for one in Store().versions()])"


# Besides the settings.
MODULES = ("errors", "internals", "sizes")


def test_every_command_finds_what_its_bento_carries(tmp_path: Path) -> None:
    bento = tmp_path / "bento"
    bento.mkdir()
    (bento / "bento.yaml").touch()
    for room in ("models", "images"):
        shutil.copytree(ROOT / room, bento / "src" / room)
    for path in (*(ROOT / f"{one}.py" for one in MODULES), *ROOT.glob("settings*.py")):
        shutil.copy(path, bento / "src")
    packed = Store(bento / "models").save(LinearDraft())
    home = tmp_path / "home"
    saved = Store(home / "models").save(LinearDraft())
    done = subprocess.run(
        [sys.executable, "-c", LIST],
        cwd=bento / "src",
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [packed.tag, saved.tag]
