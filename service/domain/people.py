"""Who makes a request, and what they may do."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Action(StrEnum):
    """What somebody may do; without one of these nobody may do anything.

    Those of others concern what belongs to another user: they are never implied.
    """

    STREAMING_QUERY = "streaming_query"
    QUERY = "query"
    INTERRUPT = "interrupt"
    MODEL_OVERRIDE = "model_override"
    LIST_CONVERSATIONS = "list_conversations"
    GET_CONVERSATION = "get_conversation"
    UPDATE_CONVERSATION = "update_conversation"
    DELETE_CONVERSATION = "delete_conversation"
    LIST_OTHERS_CONVERSATIONS = "list_others_conversations"
    READ_OTHERS_CONVERSATIONS = "read_others_conversations"
    QUERY_OTHERS_CONVERSATIONS = "query_others_conversations"
    UPDATE_OTHERS_CONVERSATIONS = "update_others_conversations"
    DELETE_OTHERS_CONVERSATIONS = "delete_others_conversations"
    INTERRUPT_OTHERS = "interrupt_others"
    FEEDBACK = "feedback"
    GET_MODELS = "get_models"
    GET_SHIELDS = "get_shields"
    GET_TOOLS = "get_tools"
    GET_QUOTAS = "get_quotas"
    GET_METRICS = "get_metrics"
    INFO = "info"
    AUTHORIZED = "authorized"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom an authenticator has recognised.

    `user` tells people apart and stays the same, `name` is for people to read. `roles` are those
    that the authenticator knows of, `claims` what else it was told, for the rules of the policy.
    `expires_at` is when the credential ends, in seconds since the epoch; None: not by itself.
    """

    user: str
    name: str = ""
    roles: tuple[str, ...] = ()
    claims: Mapping[str, object] = field(default_factory=dict)
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """On whose behalf a request is made, and what it may do. `expires_at`: see `Identity`."""

    user: str
    name: str = ""
    roles: tuple[str, ...] = ()
    actions: frozenset[Action] = frozenset()
    expires_at: float | None = None

    def may(self, action: Action) -> bool:
        """Tell whether an action is allowed."""
        return action in self.actions

    def reach(self, others: Action) -> str | None:
        """Return whose things are seen: this user's, or None for everybody's with a grant."""
        return None if others in self.actions else self.user


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what a request brings for MCP servers.

    `mcp_headers` are by name or url of a configured server; `token` is the caller's own.
    """

    principal: Principal = field(default=Principal(""))
    token: str | None = None
    mcp_headers: Mapping[str, Mapping[str, str]] | None = None

    @property
    def user(self) -> str:
        """What tells callers apart."""
        return self.principal.user


def hashed(user: str) -> str:
    """Return what stands for a user where nobody should read the name: logs, files, recordings."""
    return hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()
