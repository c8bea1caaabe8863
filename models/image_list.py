"""The list of the images that a version was trained on, as it is kept beside the store."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from errors import ModelError
from images.spec import ImageSpec
from models.files import read_regular
from models.manifest import Label

Side = Literal["train", "holdout", "aside"]
"""Of the split: trained on, held out, or kept without being used, such as a suspected label error.
"""

Form = Literal["file", "pixels"]
FILE: Final[Form] = "file"
PIXELS: Final[Form] = "pixels"

_MAX_BYTES: Final = 2**30


@dataclass(frozen=True)
class Entry:
    """``sha256``: of what is kept of the image, in this ``form``; ``source`` and ``group``: as in
    ``models.training_images.TrainingSet``."""

    sha256: str
    form: Form
    label: Label
    side: Side
    source: str
    group: str = ""

    @classmethod
    def of(cls, fields: list[Any], group: str) -> Self:
        sha256, form, label, side, source = fields
        return cls(sha256, form, label, side, source, group)

    @property
    def fields(self) -> list[Any]:
        """As ``of`` takes them, without the group."""
        return [self.sha256, self.form, self.label, self.side, self.source]


@dataclass(frozen=True)
class ImageList:
    """``spec``: of the pixels that are kept."""

    spec: ImageSpec
    entries: Sequence[Entry]

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """None if there is no such file. Raises ModelError if it is no such list."""
        try:
            fields = json.loads(read_regular(path, _MAX_BYTES))
            spec = ImageSpec.model_validate(fields["spec"])
            images = fields["images"]
            groups = fields.get("groups") or [""] * len(images)
            return cls(spec, [Entry.of(*one) for one in zip(images, groups, strict=True)])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelError(
                f"{path} cannot be read as a list of training images: delete it, and the version "
                "has none."
            ) from error

    def dump(self) -> bytes:
        fields = {
            "spec": self.spec.model_dump(),
            "images": [entry.fields for entry in self.entries],
        }
        groups = [entry.group for entry in self.entries]
        if any(groups):
            # Beside the images: a release that knows no groups reads every list before it keeps or
            # deletes an image.
            fields["groups"] = groups
        return json.dumps(fields).encode()
