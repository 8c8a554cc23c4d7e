"""What users think of turns."""

import time
from collections.abc import Callable

from sqlalchemy import select

from service.domain import Feedback
from service.errors import TurnUnknown
from service.storage.database.engine import SqlDatabase
from service.storage.database.rows import to_json, to_ms
from service.storage.database.statements import insert
from service.storage.database.tables import opinions, turns


class SqlOpinions:
    """See `Opinions`; an opinion goes with its turn."""

    def __init__(self, database: SqlDatabase, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, feedback: Feedback) -> None:
        """See `Opinions.keep`."""
        own = (turns.c.request_id == feedback.request_id, turns.c.user == feedback.user)
        # It must not go before there is an opinion of it.
        asked = select(turns.c.request_id).where(*own).with_for_update(read=True, key_share=True)
        said = {
            "user": feedback.user,
            "sentiment": feedback.sentiment,
            "text": feedback.text,
            "categories": to_json(feedback.categories),
            "created_ms": to_ms(self._clock()),
        }
        async with self._database.writing() as connection:
            if (await connection.execute(asked)).one_or_none() is None:
                raise TurnUnknown
            kept = insert(connection, opinions).values(request_id=feedback.request_id, **said)
            await connection.execute(
                kept.on_conflict_do_update(index_elements=[opinions.c.request_id], set_=said)
            )
