"""The only place that picks adapters."""

import time
from typing import NamedTuple

from service.access.authenticators import open_authenticator
from service.access.gate import Gate
from service.access.policy import Policy
from service.access.redaction import names, open_redactor
from service.access.tickets import Tickets
from service.errors import SettingsInvalid
from service.ports import Claims, EmissionLog, Recorder, Upstream
from service.settings import Settings
from service.storage.database.stores import DatabaseStores, open_database
from service.storage.memory_claims import MemoryClaims
from service.storage.memory_log import MemoryLog
from service.storage.recordings import open_recorder
from service.storage.transcripts import open_transcripts
from service.storage.turn_buffer import Bounds
from service.telemetry.metrics import Metrics
from service.turns.admission import Admission
from service.turns.afterwards import Afterwards
from service.turns.checkpoints import Checkpoints
from service.turns.drive import Driver
from service.turns.live import LiveTurns
from service.turns.readers import Readers
from service.turns.retention import Retention
from service.turns.services import Services
from service.turns.settle import Settler
from service.turns.titles import Titler
from service.turns.unstored import Unstored
from service.upstream.replayed import PACKAGED, ReplayedUpstream, load_recordings


def open_services(settings: Settings, recorder: Recorder | None = None) -> Services:
    """Put the services together; `recorder` takes the place of that of the settings.

    Raises:
        SettingsInvalid: the settings do not fit the world.
    """
    return services_on(_upstream(settings), settings, recorder)


def services_on(
    upstream: Upstream, settings: Settings, recorder: Recorder | None = None
) -> Services:
    """Put the services together around an upstream.

    Raises:
        SettingsInvalid: see `open_services`.
    """
    shared, kept, metrics = _shared(settings), open_database(settings), _metrics(settings)
    transcripts = open_transcripts(settings.transcripts)
    titler = Titler(upstream, kept.conversations, kept.quotas, settings.titles)
    afterwards = Afterwards(transcripts, titler)
    unstored = Unstored(kept.turns, upstream, afterwards.export, settings.database)
    settler = _settler(upstream, settings, shared, kept, unstored)
    recorder = recorder or open_recorder(settings.recording)
    driver = Driver(shared.log, settler, recorder, afterwards, metrics, settings)
    live = LiveTurns(driver.drive, settings.interrupt_wait_s)
    readers = Readers(settings.streams, live.attend)
    metrics.watch(lambda: len(live.turns), lambda: readers.open, lambda: settler.unstored.count)
    return Services(
        settings=settings,
        gate=_gate(settings),
        redactor=open_redactor(settings.redaction, settings.redaction.patterns),
        log=shared.log,
        upstream=upstream,
        database=kept.database,
        turns=kept.turns,
        conversations=kept.conversations,
        paused=kept.paused,
        quotas=kept.quotas,
        opinions=kept.opinions,
        admission=settler.admission,
        settler=settler,
        afterwards=afterwards,
        checkpoints=Checkpoints(live, kept.turns, settler.unstored, afterwards, settings.database),
        retention=Retention(
            kept.conversations, kept.paused, transcripts, recorder, upstream, settings.retention
        ),
        live=live,
        readers=readers,
        metrics=metrics,
    )


def _metrics(settings: Settings) -> Metrics:
    return Metrics(names(settings.redaction, settings.redaction.patterns))


def _gate(settings: Settings) -> Gate:
    chosen = settings.authentication
    secret = chosen.ticket_secret.get_secret_value().encode() if chosen.ticket_secret else None
    return Gate(
        open_authenticator(settings),
        Policy(settings.authorization, settings.role_rules),
        Tickets(secret, chosen.ticket_ttl_s, time.time),
        only_here=chosen.by == "none" and not chosen.allow_remote,
        origins=settings.cors.origins,
    )


def _settler(
    upstream: Upstream,
    settings: Settings,
    shared: "_Shared",
    kept: DatabaseStores,
    unstored: Unstored,
) -> Settler:
    admission = Admission(
        shared.claims,
        kept.claims,
        kept.turns,
        shared.log,
        start_s=settings.start_s,
        turn_s=settings.turn_timeout_s,
        kept_s=settings.log_ttl_s,
    )
    return Settler(
        kept.turns,
        kept.paused,
        upstream,
        admission,
        unstored,
        settings.answer_timeout_s,
        durable=kept.database.durable,
    )


class _Shared(NamedTuple):
    """What several processes share while turns run."""

    log: EmissionLog
    claims: Claims


def _shared(settings: Settings) -> _Shared:
    bounds, url = _bounds(settings), settings.redis.url
    if url is None:
        return _Shared(MemoryLog(bounds), MemoryClaims())
    # Who keeps all in memory does not pay for the way to Redis.
    from service.storage.redis.stores import open_stores

    stores = open_stores(settings, url.get_secret_value(), bounds)
    return _Shared(stores.log, stores.claims)


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        running_turns=settings.running_turns_limit,
        turn_bytes=settings.log_turn_limit_bytes,
        total_bytes=settings.log_limit_bytes,
        ttl_s=settings.log_ttl_s,
    )


def _upstream(settings: Settings) -> Upstream:
    if settings.upstream.url is None:
        return _replayed(settings)
    # Who plays recordings does not pay for what only a live server needs.
    from service.upstream.live import LiveUpstream

    return LiveUpstream(settings.upstream, settings.moderation)


def _replayed(settings: Settings) -> ReplayedUpstream:
    """An own directory has own titles: there the first one is the default unless one is set."""
    recordings, continuations = load_recordings(settings.recordings_directory or PACKAGED)
    default = settings.default_session
    if default not in recordings:
        if "default_session" in settings.model_fields_set:
            raise SettingsInvalid(f"No recording has the title {default!r}.")
        default = next(iter(recordings))
    return ReplayedUpstream(
        recordings, continuations, default_session=default, speed=settings.speed
    )
