"""The version that a retraining starts from."""

from models.store import Store
from models.version import Version
from records.champions import routings
from records.database import Database


def champion_of(database: Database, store: Store, model: str) -> Version:
    """The champion by its alias, or the newest version where there is none.

    Raises UnknownVersionError if it is not in this store, and DatabaseError.
    """
    routing = (routings(database)[1] or {}).get(model)
    return store.get(f"{model}:{routing.champion}") if routing else store.champion(model)
