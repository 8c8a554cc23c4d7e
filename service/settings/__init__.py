"""Every setting, its default and its meaning. Nothing else reads the environment.

A setting is an option of `turnstile serve`, else `TURNSTILE_<NAME>` in the environment, else it
stands in the configuration file, else it has its default. The settings of a group stand in the
file's table of that name and are called `TURNSTILE_<GROUP>_<NAME>`.
"""

import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from service.settings.access import (
    ApiKeySettings,
    AuthenticationSettings,
    AuthorizationSettings,
    CorsSettings,
    JwtSettings,
    KubernetesSettings,
    RuleSettings,
)
from service.settings.data import (
    DatabaseSettings,
    QuotaSettings,
    QuotasSettings,
    RedactionSettings,
    RetentionSettings,
    TitlesSettings,
    TranscriptsSettings,
)
from service.settings.groups import (
    ClientToolSettings,
    Group,
    McpServerSettings,
    ModerationSettings,
    Name,
    RecordingSettings,
    RedisSettings,
    Seconds,
    StreamsSettings,
    UpstreamSettings,
)

_PREFIX = "TURNSTILE_"
CONFIG_VARIABLE = "TURNSTILE_CONFIG"
_NOT_SETTINGS = frozenset(
    {CONFIG_VARIABLE, "TURNSTILE_PYTHON", "TURNSTILE_LAB_CACHE", "TURNSTILE_CLIENTS_CACHE"}
)
"""Variables of the command line and of the scripts in `deploy/`."""

_PEER_TRIPS = 8
"""How often a turn that starts waits for Redis and for the database, at most."""

_SYSTEM_PROMPT = "You are a helpful assistant."


class Settings(BaseSettings):
    """The settings of one process, read once."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
    )

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`auto` is `console` on a terminal, else `json`."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged."
    )

    upstream: UpstreamSettings = UpstreamSettings()
    moderation: ModerationSettings = ModerationSettings()
    recording: RecordingSettings = RecordingSettings()
    redis: RedisSettings = RedisSettings()
    streams: StreamsSettings = StreamsSettings()
    authentication: AuthenticationSettings = AuthenticationSettings()
    jwt: JwtSettings = JwtSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
    authorization: AuthorizationSettings = AuthorizationSettings()
    cors: CorsSettings = CorsSettings()
    database: DatabaseSettings = DatabaseSettings()
    titles: TitlesSettings = TitlesSettings()
    transcripts: TranscriptsSettings = TranscriptsSettings()
    retention: RetentionSettings = RetentionSettings()
    redaction: RedactionSettings = RedactionSettings()
    quotas: QuotasSettings = QuotasSettings()

    api_keys: tuple[ApiKeySettings, ...] = Field(
        (), max_length=10_000, description="Keys that are taken (a table each)."
    )
    role_rules: tuple[RuleSettings, ...] = Field(
        (), max_length=1_000, description="Rules by which claims give roles (a table each)."
    )
    token_quotas: tuple[QuotaSettings, ...] = Field(
        (), max_length=20, description="Quotas of tokens (a table each)."
    )
    turns_per_minute_limit: int | None = Field(
        None, ge=1, description="Turns that one user may start in a minute; without, any number."
    )

    default_provider: Name | None = Field(
        None, description="Provider of the model that answers when a request names none."
    )
    default_model: Name | None = Field(
        None, description="That model; without one, the first LLM that the upstream lists."
    )
    system_prompt: str = Field(
        _SYSTEM_PROMPT, description="Instructions for the model when a request has none."
    )
    system_prompt_by_request: bool = Field(
        default=True, description="Whether a request may bring its own instructions."
    )
    retrieval: bool = Field(
        default=True,
        description="Whether the model may search vector stores when a request names none.",
    )
    mcp_servers: tuple[McpServerSettings, ...] = Field(
        (), max_length=100, description="MCP servers whose tools the model may use (a table each)."
    )
    client_tools: tuple[ClientToolSettings, ...] = Field(
        (), max_length=100, description="Tools that clients execute (a table each)."
    )
    client_tools_by_request: bool = Field(
        default=True, description="Whether a request may bring own client tools."
    )
    answer_timeout_s: Seconds = Field(
        600.0, description="How long an `awaiting_input` turn waits for its answers."
    )
    history_limit_bytes: int = Field(
        256 * 1024,
        ge=1_024,
        description="Text of one conversation that a lost history is rebuilt with; the oldest "
        "turns are left out first.",
    )
    history_limit_turns: int = Field(
        100, ge=1, description="Turns of one conversation that a lost history is rebuilt with."
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
    on_disconnect: Literal["continue", "cancel"] = Field(
        "continue",
        description="What becomes of a turn that nobody reads any more, when its request does "
        "not say.",
    )
    disconnect_grace_s: Seconds = Field(
        10.0,
        description="How long such a turn waits for a reader before it is cancelled; with Redis "
        "not less than `redis.lease_s`, because other processes say only so often who reads there.",
    )
    drain_timeout_s: Seconds = Field(
        20.0,
        description="How long running turns may take to end when the process is told to stop.",
    )
    drain_spread_s: Seconds = Field(
        5.0,
        description="Over which time readers are then told to come back, when another process "
        "can serve them.",
    )
    body_timeout_s: Seconds = Field(30.0, description="How long a request body may take to come.")

    heartbeat_s: Seconds = Field(10.0, description="Silence after which a reader gets `:`.")
    retry_ms: int = Field(
        1_000, ge=0, le=600_000, description="The `retry:` that tells clients when to reconnect."
    )

    query_limit_characters: int = Field(32_000, ge=1, description="Longest query.")
    body_limit_bytes: int = Field(2 * 1024 * 1024, ge=1, description="Largest request body.")
    attachments_limit: int = Field(20, ge=0, description="Most attachments of one request.")
    attachment_limit_bytes: int = Field(
        512 * 1024, ge=1, description="Largest attachment, in bytes of UTF-8."
    )

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

    @model_validator(mode="after")
    def names_are_given_once(self) -> Self:
        """A name stands for one thing."""
        if (self.default_provider is None) != (self.default_model is None):
            raise ValueError("default_provider and default_model must be given together")
        named: dict[str, tuple[Any, ...]] = {
            "mcp_servers": self.mcp_servers,
            "client_tools": self.client_tools,
            "api_keys": self.api_keys,
            "token_quotas": self.token_quotas,
            "redaction.patterns": self.redaction.patterns,
        }
        for what, tables in named.items():
            if len({each.name for each in tables}) < len(tables):
                raise ValueError(f"{what}: two have the same name")
        return self

    @property
    def start_s(self) -> float:
        """How long a turn can take to start: what it may have to wait for, all in all."""
        once = self.redaction.timeout_s + self.interrupt_wait_s
        # What the upstream offers may have to be asked for twice.
        offered = 2 * self.upstream.request_timeout_s
        return once + offered + _PEER_TRIPS * (self.redis.timeout_s + self.database.timeout_s)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 # not read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 # not read
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options, then the environment, then the configuration file."""
        path = os.environ.get(CONFIG_VARIABLE)
        file = (TomlConfigSettingsSource(settings_cls, Path(path)),) if path else ()
        return (init_settings, env_settings, *file)


def unknown_variables() -> list[str]:
    """Return the TURNSTILE_* variables that are no settings, most likely misspelt."""
    names = [name for name, _ in setting_names()]
    known = {f"{_PREFIX}{name.replace('.', '_').upper()}" for name in names} | _NOT_SETTINGS
    given = {name.upper() for name in os.environ if name.upper().startswith(_PREFIX)}
    return sorted(given - known)


def setting_names() -> list[tuple[str, object]]:
    """Return every setting with its default; those of a group as `group.name`."""
    found: list[tuple[str, object]] = []
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, Group):
            fields = type(field.default).model_fields
            found += [(f"{name}.{each}", own.default) for each, own in fields.items()]
        else:
            found.append((name, field.default))
    return found
