"""Groups of settings about what is kept, and what it costs: tables of the configuration file."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from service.settings.groups import Group, Seconds

Age = Annotated[float, Field(gt=0)]


class DatabaseSettings(Group):
    """Where conversations, turns and quotas are kept."""

    url: SecretStr | None = Field(
        default=None,
        description="Address of the database: `postgresql://user:password@host/name`, "
        "`sqlite:////path/to/file`, or `sqlite://` for one in memory, which ends with the process; "
        "without one, a file in `~/.local/state/turnstile` (or `$XDG_STATE_HOME/turnstile`), or "
        "in memory where none can be written there.",
    )
    timeout_s: Seconds = Field(
        default=5.0, description="How long the database may take for one step."
    )
    connections_limit: int = Field(
        default=10, ge=2, le=1_000, description="Connections of one process to PostgreSQL."
    )
    start_timeout_s: Seconds = Field(
        default=30.0, description="How long a starting process waits for the database."
    )
    checkpoint_s: Seconds = Field(
        default=2.0, description="How often the partial answers of running turns are kept."
    )
    lease_s: Annotated[float, Field(ge=1, le=3_600)] = Field(
        default=15.0,
        description="How long a running turn counts as alive after that; then it is kept as "
        "`owner_lost`. At least twice `database.checkpoint_s` and once `database.timeout_s`.",
    )
    retries_limit: int = Field(
        default=1_000,
        ge=0,
        description="Turns that could not be kept and are tried again; of more, the oldest go.",
    )
    retry_timeout_s: Seconds = Field(default=900.0, description="How long they are tried again.")

    @model_validator(mode="after")
    def lease_outlasts_checkpoints(self) -> Self:
        """A turn that runs counts as alive also when one checkpoint of it fails."""
        if self.lease_s < 2 * self.checkpoint_s + self.timeout_s:
            raise ValueError("lease_s must be at least twice checkpoint_s and once timeout_s")
        return self


def default_database() -> Path | None:
    """Return where the database is when nothing says so, None where nobody knows a home.

    What is not absolute counts as not set (XDG Base Directory Specification).
    """
    home = os.path.expanduser("~")  # noqa: PTH111 # pathlib raises where there is none
    for state in (Path(os.environ.get("XDG_STATE_HOME", "")), Path(home, ".local", "state")):
        if state.is_absolute():
            return state / "turnstile" / "turnstile.db"
    return None


class TitlesSettings(Group):
    """How conversations get their titles."""

    generate: bool = Field(
        default=True,
        description="Whether the model is asked for a title after the first turn, when a request "
        "does not say; else the title is how the question begins.",
    )
    timeout_s: Seconds = Field(default=60.0, description="How long a title may take.")


class TranscriptsSettings(Group):
    """Where turns are written for other programs."""

    directory: Path | None = Field(
        default=None, description="Where transcripts are written; without, nowhere."
    )


class RetentionSettings(Group):
    """How long what was said is kept."""

    turns_s: Age | None = Field(
        default=None, description="How long turns are kept after their end; without, for ever."
    )
    transcripts_s: Age | None = Field(
        default=None, description="How long transcripts are kept; without, for ever."
    )


class PatternSettings(Group):
    """An own pattern of what must not leave."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = Field(
        description="What it is called where it is counted, and in the place of what it finds."
    )
    pattern: Annotated[str, Field(min_length=1, max_length=4_096)] = Field(
        description="A regular expression, as the Python package regex takes it."
    )


class RedactionSettings(Group):
    """What must not leave: it is replaced before anything goes to the model, a log or a file."""

    kinds: tuple[Literal["keys", "tokens", "emails", "ip_addresses"], ...] = Field(
        default=("keys", "tokens"), description="What is looked for."
    )
    patterns: tuple[PatternSettings, ...] = Field(
        default=(),
        max_length=100,
        description="Own patterns of what must not leave (a table each).",
    )
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=5.0,
        description="How long a search may take, and may wait for others; a request that takes "
        "longer fails.",
    )


class QuotasSettings(Group):
    """What a turn costs before it is known."""

    reserve_tokens: int = Field(
        default=2_000,
        ge=1,
        description="Tokens that a turn reserves of every quota before it starts, besides those "
        "of its question; what it has not used is given back.",
    )


class QuotaSettings(Group):
    """A quota of tokens."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = Field(
        description="What it is called on the wire."
    )
    scope: Literal["user", "cluster"] = Field(
        default="user", description="Whether each user has it, or all share it."
    )
    initial_tokens: int = Field(ge=0, description="What it begins with.")
    increase_tokens: int | None = Field(
        default=None,
        ge=0,
        description="What is added after each period; without, it is as at its beginning again.",
    )
    period_s: Age | None = Field(
        default=None, description="How long a period is; without, it is never renewed."
    )
