"""``model.yaml``, the file of BentoML's in each version: its name and version."""

from pathlib import Path
from typing import Final, NamedTuple

from errors import ArtifactError
from models.files import read_regular

BENTOML_INFO: Final = "model.yaml"

# BentoML writes some hundred bytes.
_MAX_BYTES: Final = 64 * 1024


class Info(NamedTuple):
    name: str
    version: str


def read_info(folder: Path) -> Info:
    """What the file says. Raises ArtifactError, also for aliases.

    Nine lines with aliases of aliases make a billion entries, and BentoML never writes any.
    """
    import yaml

    unreadable = ArtifactError(
        f"{folder.name} has no readable {BENTOML_INFO}, as BentoML writes it."
    )
    try:
        text = read_regular(folder / BENTOML_INFO, _MAX_BYTES).decode()
        aliases = (yaml.AliasToken, yaml.AnchorToken)
        if any(isinstance(token, aliases) for token in yaml.scan(text)):
            raise unreadable
        fields = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise unreadable from error
    if not isinstance(fields, dict):
        raise unreadable
    name, version = fields.get("name"), fields.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        raise unreadable
    return Info(name, version)
