"""Ending the turns of processes that have died."""

import structlog

from service.ports import EmissionLog, Orphan
from service.turns.afterwards import Afterwards
from service.turns.settle import Settler
from statemachine import inherit, settle

logger = structlog.get_logger()


async def end_orphans(log: EmissionLog, settler: Settler, afterwards: Afterwards) -> None:
    """End every turn whose owner has died, until cancelled."""
    while True:
        orphan = await log.orphan()
        await end_orphan(log, settler, afterwards, orphan)


async def end_orphan(
    log: EmissionLog, settler: Settler, afterwards: Afterwards, orphan: Orphan
) -> None:
    """Store what a turn has said so far, and say that its process is gone."""
    inheritance = inherit(
        orphan.emissions,
        conversation_id=orphan.ids.conversation_id,
        request_id=orphan.ids.request_id,
        prompt=orphan.estate.question,
        digest=orphan.digest,
    )
    request_id = orphan.ids.request_id
    *closing, terminal = inheritance.emissions
    log.append(request_id, closing)
    if not await log.flush(request_id):
        return
    try:
        settled = await settler.settle_orphan(orphan, inheritance.summary)
        stored = settled.stored
        afterwards.export(settled.record)
    except Exception:  # a bug of ours must not leave readers without an end
        logger.exception("turn.crashed", request_id=request_id)
        stored = False
    log.append(request_id, (settle(terminal, stored=stored, available_quotas={}),))
    await log.flush(request_id)
    logger.warning("turn.inherited", request_id=request_id, emissions=terminal.number)
