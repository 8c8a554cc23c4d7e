"""The schema of the database, brought up to date; its changes are in `versions`.

Alembic is imported only where there is something to change: that an up-to-date database is so is
told by one row.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from service.errors import SettingsInvalid
from service.storage.database.tables import metadata

HEAD = "0002"
"""The last revision in `versions`."""

VERSION_TABLE = "turnstile_revision"
"""Where the revision of a database stands, beside what others may keep there."""


def is_current(connection: Connection) -> bool:
    """Tell whether there is nothing to change."""
    return inspect(connection).has_table(VERSION_TABLE) and _revision(connection) == HEAD


def upgrade(connection: Connection) -> bool:
    """Make every change that a database has not seen, in the transaction of a connection.

    Returns whether there was one: another process may have made them all meanwhile.

    Raises:
        SettingsInvalid: it was changed by a newer version, or is not ours.
    """
    if is_current(connection):
        return False
    from alembic import command  # noqa: PLC0415 # see the module
    from alembic.config import Config  # noqa: PLC0415 # the same
    from alembic.script import ScriptDirectory  # noqa: PLC0415 # the same

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
    _refuse_others(connection, known)
    command.upgrade(config, "head")
    return True


def _refuse_others(connection: Connection, known: set[str]) -> None:
    there = set(inspect(connection).get_table_names())
    if VERSION_TABLE in there:
        if _revision(connection) not in known:
            raise SettingsInvalid("The database, database.url, is newer than this version.")
    elif there & set(metadata.tables):
        raise SettingsInvalid(
            "The database, database.url, holds tables of somebody else with the names of ours."
        )


def _revision(connection: Connection) -> str | None:
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 # a constant
    return found
