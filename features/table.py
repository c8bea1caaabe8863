"""Extractors as tables for the terminal."""

from collections.abc import Sequence

from rich.table import Table

from models.extractor import EXTRACTOR_GRAPH, Extractor


def extractors_table(found: Sequence[tuple[Extractor, int]]) -> Table:
    """A row for each, with the number of versions that need it."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("TAG", "IMAGE SPEC"):
        table.add_column(heading, no_wrap=True)
    for heading in ("NUMBERS", "SIZE", "VERSIONS"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("LICENSE")
    for extractor, users in found:
        manifest = extractor.manifest
        table.add_row(
            extractor.tag,
            manifest.image_spec.name,
            f"{manifest.dimension:,}",
            _size(extractor),
            f"{users:,}",
            manifest.license,
        )
    return table


def extractor_table(extractor: Extractor, users: Sequence[str]) -> Table:
    """All about one; ``users``: tags of the versions that need it."""
    manifest = extractor.manifest
    table = Table(title=extractor.tag, box=None, show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    facts = {
        "image spec": manifest.image_spec.name,
        "input": f"{manifest.input_name}, {manifest.input_type}, {manifest.layout}",
        "output": f"{manifest.output_name}, {manifest.dimension:,} numbers",
        "batches": "one image at a time" if manifest.batch == 1 else "any number of images",
        "tolerance": f"{manifest.tolerance:g} of the largest number",
        "size": _size(extractor),
        "license": manifest.license,
        "source": manifest.source,
        "created": f"{manifest.created_at:%Y-%m-%d %H:%M}, UTC",
        "operators": ", ".join(manifest.operators),
        "needed by": ", ".join(users) or "no version",
        "files": str(extractor.path),
    }
    for name, value in facts.items():
        table.add_row(name, value)
    return table


def _size(extractor: Extractor) -> str:
    return f"{(extractor.path / EXTRACTOR_GRAPH).stat().st_size / 1e6:,.1f} MB"
