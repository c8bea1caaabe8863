"""How a database of an older Pupila becomes one of this: Alembic's revisions, run in order."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run what is missing inside the transaction of ``connection``: all of it, or nothing."""
    config = Config()
    # Alembic reads % as the begin of a name.
    folder = str(Path(__file__).parent).replace("%", "%%")
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
