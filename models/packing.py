"""What goes into a Bento: the champion of each model, and the extractors that they need."""

from models.store import Store


def packed_tags(store: Store) -> tuple[str, ...]:
    """Of versions and extractors, each once."""
    champions = store.champions()
    needed = filter(None, (version.manifest.extractor for version in champions))
    extractors = (f"{one.name}:{one.version}" for one in needed)
    return tuple(dict.fromkeys((*(version.tag for version in champions), *extractors)))
