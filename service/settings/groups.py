"""Groups of settings: tables of the configuration file."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AnyHttpUrl, BaseModel, ConfigDict, Field, SecretStr

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Name = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^\S(.*\S)?$")]


def _fits_a_header(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", secret.get_secret_value()):
        raise ValueError("must be printable ASCII without blanks at its ends")
    return secret


HeaderSecret = Annotated[SecretStr, AfterValidator(_fits_a_header)]
"""What goes into an HTTP header as it is."""


class Group(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class UpstreamSettings(Group):
    """Which server answers, and how it is reached."""

    url: AnyHttpUrl | None = Field(
        default=None,
        description="Address of Llama Stack or OGX; without one, recordings are played.",
    )
    dialect: Literal["auto", "agents", "responses"] = Field(
        default="auto",
        description="Which API drives turns; `auto` asks the server: `agents` where it has them.",
    )
    api_key: HeaderSecret | None = Field(default=None, description="Key that the server asks for.")
    verify_tls: bool = Field(
        default=True, description="Whether the server's certificate is checked."
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates to trust instead of the system's (PEM)."
    )
    certificate_file: Path | None = Field(
        default=None,
        description="Our own certificate, with its key, for servers that ask for one (PEM).",
    )
    connect_timeout_s: Seconds = Field(default=5.0, description="How long a connection may take.")
    request_timeout_s: Seconds = Field(
        default=30.0,
        description="How long a request beside the stream may take, with its repetitions.",
    )
    retries_limit: int = Field(
        default=2,
        ge=0,
        le=10,
        description="Repetitions of a failed request that is safe to repeat.",
    )
    reasoning_effort: Literal["low", "medium", "high"] | None = Field(
        default=None,
        description="How much a model is asked to think (Responses API); without, servers of 0.4 "
        "and later stream no thinking.",
    )
    turn_limit_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1_024,
        description="What a server may send in one turn; a turn that is over it fails.",
    )
    connections_limit: int = Field(
        default=1_000,
        ge=1,
        description="Connections to the server at once; a running turn needs one.",
    )
    catalogue_ttl_s: Seconds = Field(
        default=60.0,
        description="How long the lists of models, shields, tools and stores are kept.",
    )
    iterations_limit: int = Field(
        default=10, ge=1, le=1_000, description="How often the model may be asked in one turn."
    )


class ModerationSettings(Group):
    """How text is judged when the upstream's stream has no shields (the Responses API)."""

    by: Literal["turnstile", "upstream", "nobody"] = Field(
        default="turnstile",
        description="Who asks the shields: `turnstile` beside the stream, or the `upstream` as its "
        "guardrails; without a safety API only the latter can.",
    )
    hold_back: bool = Field(
        default=True, description="Whether text waits for its verdict; without, `start` says so."
    )
    checkpoint_characters: int = Field(
        default=400, ge=1, description="Characters of an answer between two verdicts."
    )
    timeout_s: Seconds = Field(default=30.0, description="How long a verdict may take.")


class RecordingSettings(Group):
    """Where every turn is recorded, for replay."""

    directory: Path | None = Field(
        default=None, description="Where turns are recorded; without, nowhere."
    )
    size_limit_bytes: int = Field(
        default=256 * 1024 * 1024, ge=1_024, description="All recordings; the oldest go first."
    )
    turn_limit_bytes: int = Field(
        default=16 * 1024 * 1024, ge=1_024, description="One recording; what is over is cut."
    )
    age_limit_s: float = Field(
        default=7 * 86_400.0, gt=0, description="How long a recording is kept."
    )


class RedisSettings(Group):
    """Where several processes share their turns."""

    url: SecretStr | None = Field(
        default=None,
        description="Address of a Redis (`redis://`, `rediss://`, `unix://`) that several "
        "processes share; without one, turns are kept in the memory of one process.",
    )
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = Field(
        default="turnstile", description="What the names of all our keys begin with."
    )
    timeout_s: Seconds = Field(default=2.0, description="How long Redis may take for an answer.")
    patience_s: Seconds = Field(
        default=0.5,
        description="How long the readers of a turn wait for Redis to have what they are told; "
        "after that they are told all the same.",
    )
    lease_s: Annotated[float, Field(ge=0.5, le=600)] = Field(
        default=6.0,
        description="How long a process owns its turns without saying so again; after that "
        "another one ends them with `owner_lost`.",
    )
    connections_limit: int = Field(
        default=20, ge=4, description="Connections of one process to Redis."
    )


class StreamsSettings(Group):
    """How many may read, and how slowly."""

    limit: int = Field(default=1_000, ge=1, description="Streams that are open at once.")
    per_user_limit: int = Field(
        default=100,
        ge=1,
        description="Of them, those of one user.",
    )
    per_turn_limit: int = Field(default=20, ge=1, description="Of them, those of one turn.")
    rotate_s: Seconds | None = Field(
        default=None,
        description="How long a stream may be open before its reader is told to come back; "
        "without, as long as the turn.",
    )
    write_timeout_s: Seconds = Field(
        default=30.0, description="How long a reader may take nothing before it is cut off."
    )
    waiting_limit_bytes: int = Field(
        default=1024 * 1024,
        ge=65_536,
        description="What may wait for a reader that takes nothing for a second before it is cut "
        "off; what its answer began with does not count.",
    )


class McpServerSettings(Group):
    """An MCP server whose tools the model may use."""

    name: Name = Field(description="What it is called, on the wire too.")
    url: AnyHttpUrl = Field(description="Where the upstream finds it.")
    headers: dict[str, HeaderSecret] = Field(default={}, description="Headers it always gets.")
    authorization: Literal["none", "caller"] = Field(
        default="none", description="`caller`: it gets the token that the caller has sent to us."
    )
    approval: Literal["never", "always"] = Field(
        default="never",
        description="Whether the client is asked before a tool runs (Responses API).",
    )
    tool_group: Name | None = Field(
        default=None,
        description="Its tool group on servers with agent turns; registered when missing.",
    )


class ClientToolSettings(Group):
    """A tool that the client executes."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = Field(
        description="What the model calls."
    )
    description: str = Field(
        default="", max_length=4_096, description="What it does, for the model."
    )
    parameters: dict[str, Any] = Field(
        default={"type": "object", "properties": {}}, description="JSON schema of its arguments."
    )
