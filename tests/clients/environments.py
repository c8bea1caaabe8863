"""Environments of their own for other people's clients: no two can share one, nor ours."""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / ".bench" / "clients"

CLIENTS: Final = {
    "triton_http": ("tritonclient[http]==2.73.0",),
    "triton_grpc": ("tritonclient[grpc]==2.73.0",),
    "kserve_rest": ("kserve==0.21.0",),
    "label_studio": ("label-studio==1.23.2",),
    "mlflow_registry": ("mlflow==3.17.2", "scikit-learn==1.9.1", "skops==0.16.0"),
}
"""What each script of this folder needs, apart from Python."""


def interpreter(name: str) -> Path:
    """That of a client's environment, made once and again if what it needs has changed."""
    place = FOLDER / name
    stamp = place / "installed"
    wanted = "\n".join(CLIENTS[name])
    if not stamp.is_file() or stamp.read_text() != wanted:
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", str(place)], check=True)
        python = str(place / "bin" / "python")
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", python, *CLIENTS[name]], check=True
        )
        stamp.write_text(wanted)
    return place / "bin" / "python"
