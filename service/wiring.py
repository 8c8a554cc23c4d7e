"""The only place that picks adapters."""

from typing import NamedTuple

from service.errors import SettingsInvalid
from service.ports import Claims, Conversations, EmissionLog, PausedTurns, Recorder, Upstream
from service.settings import Settings
from service.storage.memory_claims import MemoryClaims
from service.storage.memory_conversations import MemoryConversations
from service.storage.memory_log import MemoryLog
from service.storage.memory_paused import MemoryPausedTurns
from service.storage.recordings import open_recorder
from service.storage.turn_buffer import Bounds
from service.turns.admission import Admission
from service.turns.drive import Driver
from service.turns.live import LiveTurns
from service.turns.readers import Readers
from service.turns.services import Services
from service.turns.settle import Settler
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
    url = settings.redis.url
    stores = _redis_stores(settings, url.get_secret_value()) if url else _memory_stores(settings)
    log, conversations, paused = stores.log, stores.conversations, stores.paused
    admission = Admission(
        stores.claims,
        log,
        start_s=2 * settings.upstream.request_timeout_s + settings.redis.timeout_s,
        turn_s=settings.turn_timeout_s,
        kept_s=settings.log_ttl_s,
    )
    settler = Settler(conversations, paused, upstream, admission, settings.answer_timeout_s)
    driver = Driver(log, settler, recorder or open_recorder(settings.recording), settings)
    live = LiveTurns(driver.drive, settings.interrupt_wait_s)
    readers = Readers(settings.streams, live.attend)
    return Services(
        settings, log, upstream, conversations, paused, admission, settler, live, readers
    )


class _Stores(NamedTuple):
    log: EmissionLog
    conversations: Conversations
    paused: PausedTurns
    claims: Claims


def _memory_stores(settings: Settings) -> _Stores:
    limit = settings.conversations_limit
    conversations = MemoryConversations(
        limit, settings.history_limit_turns, settings.history_limit_bytes
    )
    paused = MemoryPausedTurns(settings.answer_timeout_s, limit)
    return _Stores(MemoryLog(_bounds(settings)), conversations, paused, MemoryClaims())


def _redis_stores(settings: Settings, url: str) -> _Stores:
    # Who keeps all in memory does not pay for the way to Redis.
    from service.storage.redis.stores import open_stores

    stores = open_stores(settings, url, _bounds(settings))
    return _Stores(stores.log, stores.conversations, stores.paused, stores.claims)


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
