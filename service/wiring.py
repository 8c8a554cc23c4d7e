"""The only place that picks adapters."""

from service.errors import SettingsInvalid
from service.ports import Recorder, Upstream
from service.settings import Settings
from service.storage.memory_conversations import MemoryConversations
from service.storage.memory_log import Bounds, MemoryLog
from service.storage.memory_paused import MemoryPausedTurns
from service.storage.recordings import open_recorder
from service.turns.drive import Driver
from service.turns.live import LiveTurns
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
    log = MemoryLog(
        Bounds(
            running_turns=settings.running_turns_limit,
            turn_bytes=settings.log_turn_limit_bytes,
            total_bytes=settings.log_limit_bytes,
            ttl_s=settings.log_ttl_s,
        )
    )
    limit = settings.conversations_limit
    conversations = MemoryConversations(
        limit, settings.history_limit_turns, settings.history_limit_bytes
    )
    paused = MemoryPausedTurns(settings.answer_timeout_s, limit)
    settler = Settler(conversations, paused, upstream, settings.answer_timeout_s)
    driver = Driver(log, settler, recorder or open_recorder(settings.recording), settings)
    live = LiveTurns(driver.drive, settings.interrupt_wait_s)
    return Services(settings, log, upstream, conversations, paused, live)


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
