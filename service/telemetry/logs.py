"""Logging: structlog for everything, on standard error; a console on a terminal, else JSON."""

import io
import logging
import sys
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

from service.settings import Settings

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure_logs(settings: Settings) -> None:
    """Set up structlog, and pass what libraries log through the same renderer."""
    file = cast("TextIO", _Tolerant(sys.stderr))
    renderers = _renderers(settings, file)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*_SHARED, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(file)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED, processors=[remove, *renderers]
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)


class _Tolerant(io.TextIOBase):
    """Standard error as long as it is there: a log that cannot be written ends no turn.

    It is None where the process was started without one.
    """

    def __init__(self, file: TextIO | None) -> None:
        super().__init__()
        self._file = file

    def write(self, text: str) -> int:
        """Write, or lose it: nobody could be told."""
        if self._file is not None:
            with suppress(OSError, ValueError):
                self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or not."""
        if self._file is not None:
            with suppress(OSError, ValueError):
                self._file.flush()

    def isatty(self) -> bool:
        """Tell whether somebody watches."""
        return self._file is not None and self._file.isatty()


def _renderers(settings: Settings, file: TextIO) -> list[Any]:
    console = settings.log_format == "console" or (settings.log_format == "auto" and file.isatty())
    if console:
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
