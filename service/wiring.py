"""The only place that picks adapters."""

from service.errors import SettingsInvalid
from service.settings import Settings
from service.storage.memory_log import Bounds, MemoryLog
from service.turns.drive import Driver
from service.turns.live import LiveTurns
from service.turns.services import Services
from service.upstream.replayed import PACKAGED, ReplayedUpstream, load_recordings


def open_services(settings: Settings) -> Services:
    """Put the services together.

    Raises:
        SettingsInvalid: the settings do not fit the world.
    """
    bounds = Bounds(
        running_turns=settings.running_turns_limit,
        turn_bytes=settings.log_turn_limit_bytes,
        total_bytes=settings.log_limit_bytes,
        ttl_s=settings.log_ttl_s,
    )
    log = MemoryLog(bounds)
    live = LiveTurns(Driver(log, settings).drive, settings.interrupt_wait_s)
    return Services(settings, log, _replayed(settings), live)


def _replayed(settings: Settings) -> ReplayedUpstream:
    """An own directory has own titles: there the first one is the default unless one is set."""
    recordings = load_recordings(settings.recordings_directory or PACKAGED)
    default = settings.default_session
    if default not in recordings:
        if "default_session" in settings.model_fields_set:
            raise SettingsInvalid(f"No recording has the title {default!r}.")
        default = next(iter(recordings))
    return ReplayedUpstream(recordings, default_session=default, speed=settings.speed)
