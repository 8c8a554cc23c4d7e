"""Who may do what: which roles somebody has, and what those may do. Nobody may do anything else."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from service.access.rules import Rule, compiled
from service.domain import Action, Identity, Principal
from service.errors import SettingsInvalid
from service.settings.access import AuthorizationSettings, RuleSettings

EVERY_OWN = "*"
"""In the settings: every action that concerns nobody else."""

_OWN: Mapping[Action, str] = {
    Action.STREAMING_QUERY: "ask, follow own turns, answer their calls",
    Action.QUERY: "ask and get one JSON answer",
    Action.INTERRUPT: "stop own turns",
    Action.LIST_CONVERSATIONS: "list own conversations",
    Action.GET_CONVERSATION: "read own conversations",
    Action.UPDATE_CONVERSATION: "rename own conversations",
    Action.DELETE_CONVERSATION: "delete own conversations",
    Action.FEEDBACK: "say what an answer was worth",
    Action.GET_MODELS: "list models",
    Action.GET_SHIELDS: "list shields",
    Action.GET_TOOLS: "list tools",
    Action.GET_QUOTAS: "see what is left of own and shared quotas",
    Action.INFO: "see what the service is",
    Action.AUTHORIZED: "see as whom one is recognised",
}

_PRIVILEGES: Mapping[Action, str] = {
    Action.MODEL_OVERRIDE: "choose provider and model in a request",
    Action.GET_METRICS: "read the metrics of the process",
}

_OTHERS: Mapping[Action, str] = {
    Action.LIST_OTHERS_CONVERSATIONS: "list everybody's conversations",
    Action.READ_OTHERS_CONVERSATIONS: "read conversations of others, follow their turns",
    Action.QUERY_OTHERS_CONVERSATIONS: "go on with conversations of others, answer their calls",
    Action.UPDATE_OTHERS_CONVERSATIONS: "rename conversations of others",
    Action.DELETE_OTHERS_CONVERSATIONS: "delete conversations of others",
    Action.INTERRUPT_OTHERS: "stop turns of others",
}

MEANINGS: Mapping[Action, str] = MappingProxyType({**_OWN, **_PRIVILEGES, **_OTHERS})
"""What each action allows."""

ROLES: Mapping[str, frozenset[Action]] = MappingProxyType(
    {
        "user": frozenset(_OWN),
        "developer": frozenset({*_OWN, *_PRIVILEGES}),
        "admin": frozenset({*_OWN, *_PRIVILEGES, *_OTHERS}),
    }
)
"""The roles that are there without any setting."""


class Policy:
    """Gives people their roles, and roles their actions."""

    def __init__(self, settings: AuthorizationSettings, rules: tuple[RuleSettings, ...]) -> None:
        """Take the settings.

        Raises:
            SettingsInvalid: a role or an action does not exist, or a rule cannot be followed.
        """
        self._roles = roles_of(settings)
        named = {
            "authorization.default_roles": settings.default_roles,
            "authorization.developer_roles": settings.developer_roles,
        }
        named |= {f"role_rules.{at}.roles": each.roles for at, each in enumerate(rules)}
        for where, roles in named.items():
            check_roles(where, roles, self._roles)
        self._default_roles = settings.default_roles
        self._rules: tuple[Rule, ...] = tuple(
            compiled(f"role_rules.{at}", each) for at, each in enumerate(rules)
        )

    def principal(self, identity: Identity) -> Principal:
        """Return what somebody may do; roles that do not exist here give nothing."""
        given = [*self._default_roles, *identity.roles]
        for rule in self._rules:
            given += rule.roles_for(identity.claims)
        roles = tuple(each for each in dict.fromkeys(given) if each in self._roles)
        return Principal(
            user=identity.user,
            name=identity.name,
            roles=roles,
            actions=frozenset().union(*(self._roles[each] for each in roles)),
            expires_at=identity.expires_at,
        )


def roles_of(settings: AuthorizationSettings) -> Mapping[str, frozenset[Action]]:
    """Return all roles with what they may do.

    Raises:
        SettingsInvalid: one is given an action that does not exist.
    """
    own = {role: _actions(role, names) for role, names in settings.roles.items()}
    return {**ROLES, **own}


def check_roles(where: str, roles: Iterable[str], known: Iterable[str]) -> None:
    """Refuse roles that do not exist; `where` is the setting that names them.

    Raises:
        SettingsInvalid: there is one.
    """
    unknown = sorted(set(roles) - set(known))
    if unknown:
        raise SettingsInvalid(
            f"{where}: there is no role {', '.join(unknown)}; there are {', '.join(known)}"
        )


def policy_table() -> str:
    """Return who may do what as a table in Markdown, for the documentation."""
    lines = [
        "| action | allows to | " + " | ".join(f"`{role}`" for role in ROLES) + " |",
        "| --- | --- |" + " --- |" * len(ROLES),
    ]
    for action, meaning in MEANINGS.items():
        cells = ["yes" if action in actions else "" for actions in ROLES.values()]
        lines.append(f"| `{action}` | {meaning} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _actions(role: str, names: tuple[str, ...]) -> frozenset[Action]:
    found: set[Action] = set()
    for name in names:
        if name == EVERY_OWN:
            found |= {*_OWN, *_PRIVILEGES}
        elif name in set(Action):
            found.add(Action(name))
        else:
            raise SettingsInvalid(f"authorization.roles.{role}: there is no action {name!r}")
    return frozenset(found)
