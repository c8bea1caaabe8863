"""The version that answers for a model, by a database and a store that belong together."""

from models.store import Store
from models.version import Version
from records.champions import routings
from records.database import Database


def answering(database: Database, store: Store, model: str) -> Version:
    """The champion, or the newest version where nobody has decided that yet.

    Raises UnknownVersionError if it is not in this store, and DatabaseError.
    """
    routing = (routings(database)[1] or {}).get(model)
    return store.get(f"{model}:{routing.champion}") if routing else store.champion(model)
