"""Everything that is kept in the database, put together by the settings."""

from dataclasses import dataclass

from service.settings import Settings
from service.storage.database.claims import SqlClaims
from service.storage.database.conversations import SqlConversations
from service.storage.database.engine import SqlDatabase, open_sql_database
from service.storage.database.opinions import SqlOpinions
from service.storage.database.paused import SqlPausedTurns
from service.storage.database.quotas import SqlQuotas
from service.storage.database.turns import SqlTurns, TurnLimits
from service.storage.history import HistoryBounds


@dataclass(frozen=True, slots=True)
class DatabaseStores:
    """What is kept in one database."""

    database: SqlDatabase
    turns: SqlTurns
    conversations: SqlConversations
    paused: SqlPausedTurns
    claims: SqlClaims
    quotas: SqlQuotas
    opinions: SqlOpinions


def open_database(settings: Settings) -> DatabaseStores:
    """Return the stores of a database, which is reached when it runs.

    Raises:
        SettingsInvalid: the address is none.
    """
    database = open_sql_database(settings.database)
    return DatabaseStores(
        database,
        SqlTurns(database, _limits(settings)),
        SqlConversations(database),
        SqlPausedTurns(database, settings.answer_timeout_s, settings.start_s),
        SqlClaims(database),
        SqlQuotas(database, settings.token_quotas),
        SqlOpinions(database),
    )


def _limits(settings: Settings) -> TurnLimits:
    return TurnLimits(
        HistoryBounds(settings.history_limit_turns, settings.history_limit_bytes),
        settings.database.lease_s,
        settings.answer_timeout_s,
        settings.turns_per_minute_limit,
        settings.token_quotas,
        settings.quotas.reserve_tokens,
    )
