"""The tables. Every change of them is a migration in `migrations/versions`.

1. Times are milliseconds since the epoch: the same everywhere, and what is compared is a number.
2. What is only ever read as a whole is JSON in a text column (`JSON_TEXT`).
3. What comes from outside is text of any kind (`AnyText`), without a bound: those are for requests.
4. A turn belongs to its conversation and goes with it; whose it is stands in both, so that nothing
   has to be joined to tell.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

from service.storage.database.texts import AnyText

_ID = _NAME = AnyText()
JSON_TEXT = Text
_names = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=_names)

conversations = Table(
    "conversations",
    metadata,
    Column("conversation_id", _ID, primary_key=True),
    Column("user", _NAME, nullable=False),
    # How its first question begins, until it gets another one.
    Column("title", AnyText(), nullable=False, default=""),
    # "question", "summary" or "user": a later one stays when an earlier one comes late.
    Column("titled_by", Text, nullable=False, default="question"),
    Column("model", JSON_TEXT),
    Column("thread", JSON_TEXT),
    # Rises with every turn that a history holds.
    Column("version", Integer, nullable=False, default=0),
    Column("message_count", Integer, nullable=False, default=0),
    Column("created_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Index(None, "user", "last_ms", "conversation_id"),
    Index(None, "last_ms", "conversation_id"),
)

turns = Table(
    "turns",
    metadata,
    Column("request_id", _ID, primary_key=True),
    Column(
        "conversation_id",
        _ID,
        ForeignKey("conversations.conversation_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("user", _NAME, nullable=False),
    # The request id of the first stream of the turn, and that of the stream before this one.
    Column("key", _ID, nullable=False),
    Column("resumes", _ID),
    # The thread that it has taken. Who ends it knows what becomes of that; a process that has died
    # does not, and then it stays here until somebody deletes it.
    Column("came_from", JSON_TEXT),
    # Which process may say how the turn has ended, and when it was known to live.
    Column("process", _ID, nullable=False),
    Column("touched_ms", BigInteger, nullable=False),
    Column("question", AnyText(), nullable=False),
    Column("attachments", JSON_TEXT, nullable=False, default="[]"),
    Column("redactions", Integer, nullable=False, default=0),
    Column("model", JSON_TEXT),
    # None while it runs.
    Column("outcome", AnyText()),
    Column("code", AnyText()),
    Column("finish_reason", AnyText()),
    Column("truncated", Boolean, nullable=False, default=False),
    Column("answer", AnyText(), nullable=False, default=""),
    Column("told", Boolean, nullable=False, default=False),
    Column("tool_calls", JSON_TEXT, nullable=False, default="[]"),
    Column("tool_results", JSON_TEXT, nullable=False, default="[]"),
    Column("shields", JSON_TEXT, nullable=False, default="[]"),
    Column("referenced_documents", JSON_TEXT, nullable=False, default="[]"),
    Column("rag_chunks", JSON_TEXT, nullable=False, default="[]"),
    Column("input_tokens", BigInteger, nullable=False, default=0),
    Column("output_tokens", BigInteger, nullable=False, default=0),
    Column("usage", Text, nullable=False, default="estimated"),
    Column("began_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Index(None, "conversation_id", "began_ms", "request_id"),
    Index(None, "ended_ms"),
)
# Few turns run, and those that nobody drives any more are looked for all the time.
Index(
    "ix_turns_running",
    turns.c.touched_ms,
    sqlite_where=turns.c.outcome.is_(None),
    postgresql_where=turns.c.outcome.is_(None),
)

paused_turns = Table(
    "paused_turns",
    metadata,
    Column("request_id", _ID, primary_key=True),
    Column("conversation_id", _ID, nullable=False),
    Column("paused", JSON_TEXT, nullable=False),
    # Its thread once more: what has waited in vain is not read as a whole, and may be long.
    Column("thread", JSON_TEXT, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("answers", JSON_TEXT),
    Column("answered_by", _ID),
    Column("answered_ms", BigInteger),
    # Whether its thread was handed out to be deleted.
    Column("collected", Boolean, nullable=False, default=False),
    Index(None, "expires_ms"),
)

claims = Table(
    "claims",
    metadata,
    Column("key", _NAME, primary_key=True),
    Column("holder", _NAME, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Index(None, "expires_ms"),
)

quotas = Table(
    "quotas",
    metadata,
    Column("name", _NAME, primary_key=True),
    # A user, or nobody for what all share.
    Column("user", _NAME, primary_key=True),
    Column("available", BigInteger, nullable=False),
    Column("period_began_ms", BigInteger, nullable=False),
    # That of the settings, 0 for none: by it a process that starts sees that they have changed.
)

reservations = Table(
    "reservations",
    metadata,
    Column("request_id", _ID, primary_key=True),
    Column("name", _NAME, primary_key=True),
    Column("user", _NAME, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    # A quota that was renewed since has forgotten the reservation.
    Column("period_began_ms", BigInteger, nullable=False),
)

# What was started in the last minute, where that is limited: turns themselves can be deleted.
starts = Table(
    "starts",
    metadata,
    Column("request_id", _ID, primary_key=True),
    Column("user", _NAME, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Index(None, "user", "started_ms"),
)

opinions = Table(
    "opinions",
    metadata,
    Column(
        "request_id",
        _ID,
        ForeignKey("turns.request_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("user", _NAME, nullable=False),
    Column("sentiment", Integer),
    Column("text", AnyText(), nullable=False, default=""),
    Column("categories", JSON_TEXT, nullable=False, default="[]"),
    Column("created_ms", BigInteger, nullable=False),
)
