"""Why the service itself cannot do it."""

from service.errors.base import ServiceError


class TooManyTurns(ServiceError):
    """As many turns run as this process takes."""

    code = "too_many_turns"
    status_code = 503
    response = "The service is busy; try again later."
    retry_after_s = 5


class TooManyStreams(ServiceError):
    """As many streams are open as this process takes."""

    code = "too_many_streams"
    status_code = 503
    response = "Too many streams are open; try again later."
    retry_after_s = 5


class TooManyOwnStreams(TooManyStreams):
    """As many streams are open as one caller may have."""

    code = "too_many_own_streams"
    status_code = 429


class TooManyReaders(TooManyStreams):
    """As many readers follow a turn as may."""

    code = "too_many_readers"
    status_code = 429


class StorageUnavailable(ServiceError):
    """The database cannot be reached, or takes too long."""

    code = "storage_unavailable"
    status_code = 503
    response = "What is stored cannot be reached for now; try again."
    retry_after_s = 2


class LogUnavailable(ServiceError):
    """What the processes of the service share cannot be reached."""

    code = "log_unavailable"
    status_code = 503
    response = "What the processes of the service share cannot be reached for now; try again."
    retry_after_s = 2


class Stopping(ServiceError):
    """The process is about to stop."""

    code = "stopping"
    status_code = 503
    response = "The service is stopping; try again on another instance."
    retry_after_s = 1


class InternalError(ServiceError):
    """A bug of ours; the log has the details."""

    code = "internal_error"
    status_code = 500
    response = "Something went wrong in the service."


class SettingsInvalid(ServiceError):
    """The service cannot start with these settings."""

    code = "settings_invalid"
