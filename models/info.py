"""``model.yaml``, the file of BentoML's in each version: its name and version."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from errors import ArtifactError
from models.files import read_regular

BENTOML_INFO: Final = "model.yaml"

# BentoML writes some 300 bytes.
_MAX_BYTES: Final = 16 * 1024

# What BentoML writes for us: names with plain or quoted values, or empty ones. YAML has more, which
# BentoML would read: nine lines of aliases are a billion entries, and a thousand brackets a second.
_LINE: Final = re.compile(
    r" {0,8}(?:- )?([A-Za-z0-9_.-]+):(?: (\{\}|\[\]|[^\s&*!|>{\[][^\x00-\x1f]*))?"
)


class Info(NamedTuple):
    name: str
    version: str


def read_info(folder: Path) -> Info:
    """What the file says. Raises ArtifactError unless it is as BentoML writes it for Pupila."""
    unreadable = ArtifactError(
        f"{folder.name} has no readable {BENTOML_INFO}, as BentoML writes it."
    )
    try:
        text = read_regular(folder / BENTOML_INFO, _MAX_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable from error
    fields: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            raise unreadable
        if not line.startswith(" "):
            fields[match[1]] = (match[2] or "").strip("'\"")
    if not fields.get("name") or not fields.get("version"):
        raise unreadable
    return Info(fields["name"], fields["version"])
