"""Every setting, its default and its meaning. Nothing else reads the environment.

A setting is given as `TURNSTILE_<NAME>` in the environment, or as an option of `turnstile serve`
where there is one. The table in the service's README is generated from here.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_PREFIX = "TURNSTILE_"
_NOT_SETTINGS = frozenset({"TURNSTILE_PYTHON"})
"""Variables of the scripts in `deploy/`."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Settings(BaseSettings):
    """The settings of one process, read once."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`auto` is `console` on a terminal, else `json`."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged."
    )

    recordings_directory: Path | None = Field(
        None, description="Recordings to play as the upstream, instead of those that come along."
    )
    default_session: str = Field(
        "What is a pod in Kubernetes?",
        description="Title of the recording that is played when no word of a query fits any.",
    )
    speed: float = Field(
        1.0, ge=0, le=1_000, description="Pace of played recordings: 2 is twice as fast, 0 at once."
    )

    commit_wait_s: Seconds = Field(
        2.0, description="How long a POST waits for the first upstream chunk before it answers 200."
    )
    first_chunk_timeout_s: Seconds = Field(
        120.0, description="How long the upstream may take to its first chunk."
    )
    idle_timeout_s: Seconds = Field(
        120.0, description="How long the upstream may be silent between chunks."
    )
    turn_timeout_s: Seconds = Field(900.0, description="How long a whole turn may take.")
    interrupt_wait_s: Seconds = Field(
        5.0, description="How long an interrupt waits for the end of its turn before it answers."
    )
    drain_timeout_s: Seconds = Field(
        5.0, description="How long a stopping process waits for its readers to be told."
    )
    body_timeout_s: Seconds = Field(30.0, description="How long a request body may take to come.")

    heartbeat_s: Seconds = Field(10.0, description="Silence after which a reader gets `:`.")
    retry_ms: int = Field(
        1_000, ge=0, le=600_000, description="The `retry:` that tells clients when to reconnect."
    )

    query_limit_characters: int = Field(32_000, ge=1, description="Longest query.")
    body_limit_bytes: int = Field(2 * 1024 * 1024, ge=1, description="Largest request body.")
    attachments_limit: int = Field(20, ge=0, description="Most attachments of one request.")

    running_turns_limit: int = Field(
        200, ge=1, description="Turns that run at once; more are refused with 503."
    )
    log_turn_limit_bytes: int = Field(
        8 * 1024 * 1024,
        ge=1_024,
        description="Emissions kept of one turn; the oldest go first, and a resume says `gap`.",
    )
    log_limit_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1_024,
        description="Emissions kept in all; ended turns go first, the oldest of them first.",
    )
    log_ttl_s: Seconds = Field(600.0, description="How long an ended turn can still be resumed.")


def unknown_variables() -> list[str]:
    """Return the TURNSTILE_* variables that are no settings, most likely misspelt."""
    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields} | _NOT_SETTINGS
    given = {name.upper() for name in os.environ if name.upper().startswith(_PREFIX)}
    return sorted(given - known)
