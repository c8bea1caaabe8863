"""Training on photos: which extractor, told to the person who trains."""

from collections.abc import Callable

import click

from models.extractor import Extractor
from models.lineage import open_store
from models.offline.bringing_extractor import chosen


def chosen_extractor(
    features: str, image_spec: str | None, say: Callable[[str], None]
) -> Extractor:
    """The one that ``--features`` names, added to the store if it is the default one or a file.

    Raises UsageError for an image spec beside it, and as ``models.offline.bringing_extractor``.
    """
    if image_spec is not None:
        raise click.UsageError(
            "--image-spec is the extractor's: give it to python -m features add, or leave it out."
        )
    brought = chosen(open_store(), features)
    for fact in brought.facts:
        say(f"{fact.name}: {fact.value} ({fact.reason})")
    manifest = brought.extractor.manifest
    say(
        f"Features: {brought.extractor.tag}, {manifest.dimension:,} numbers an image "
        f"(license: {manifest.license})."
    )
    return brought.extractor
