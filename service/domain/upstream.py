"""What stands upstream, and what it offers."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """A model as an upstream offers it.

    `model_id` is what the upstream calls it, `name` what its provider does. `generates` tells that
    it answers at all, `guards` that a shield asks it, `kind` is what the upstream takes it for.
    """

    model_id: str
    provider: str
    name: str
    generates: bool
    guards: bool = False
    kind: str = "llm"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What an upstream offers."""

    models: tuple[Model, ...]
    shields: tuple[str, ...]
    vector_stores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool; `parameters` is the JSON schema of its arguments, None where nobody tells it."""

    name: str
    description: str = ""
    parameters: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class ToolGroup:
    """Tools that belong together; `url` is where their MCP server is, None for any other group.

    `tools` is empty when an upstream knows the group, but does not tell what is in it.
    """

    group_id: str
    url: str | None = None
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True, slots=True)
class Thread:
    """Where an upstream keeps a conversation; only the adapter that made it reads it.

    `ids` are the upstream's own, `fingerprint` stands for what the adapter must know of it besides.
    """

    dialect: str
    ids: tuple[str, ...]
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """A recorded session that can be asked for by its title."""

    title: str
    query: str
    dialect: str
    server: str


@dataclass(frozen=True, slots=True)
class UpstreamInfo:
    """What stands behind this service, for people to read."""

    kind: str
    recorded: bool
    notice: str
    speed: float | None = None
    default_session: str | None = None
    sessions: tuple[Session, ...] = ()
