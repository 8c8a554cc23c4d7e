"""What stands upstream, and what it offers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """A model as an upstream offers it.

    `model_id` is what the upstream calls it, `name` what its provider does. `generates` tells that
    it answers at all, `guards` that a shield asks it.
    """

    model_id: str
    provider: str
    name: str
    generates: bool
    guards: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What an upstream offers."""

    models: tuple[Model, ...]
    shields: tuple[str, ...]
    vector_stores: tuple[str, ...]


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
