"""Groups of settings about who may do what: tables of the configuration file."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AnyHttpUrl, AwareDatetime, Field, SecretStr

from service.settings.groups import Group, Name, Seconds

type Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
"""Asymmetric ones only: a key that everybody can read must not be able to sign."""

Role = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class AuthenticationSettings(Group):
    """Who makes a request, and how that is known."""

    by: Literal["none", "api_keys", "jwt", "kubernetes"] = Field(
        default="none",
        description="How callers are recognised; `none` takes everybody for one developer, and "
        "only on a loopback address.",
    )
    allow_remote: bool = Field(
        default=False,
        description="Whether `none` may listen on other addresses: everybody who reaches them "
        "then is that developer.",
    )
    ticket_secret: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Signs the tickets of streams, the same in all processes; without one, each "
        "process takes only its own.",
    )
    ticket_ttl_s: Seconds = Field(
        default=900.0,
        description="How long a ticket opens its stream, again and again after lost connections.",
    )


class ApiKeySettings(Group):
    """A key that somebody may use; `turnstile api-key` makes one."""

    name: Name = Field(description="Whose key it is: the user, unless another one is given.")
    hash: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] = Field(
        description="The SHA-256 of the key, as `turnstile api-key` prints it; the key itself is "
        "not kept."
    )
    user: Name | None = Field(
        default=None, description="Whose conversations it opens; several keys may share a user."
    )
    roles: tuple[Role, ...] = Field(
        default=(), description="Roles besides those that everybody has."
    )
    expires_at: AwareDatetime | None = Field(
        default=None, description="Until when it is taken; without, until it is removed."
    )


class JwtSettings(Group):
    """Which JSON Web Tokens are taken (`authentication.by = "jwt"`)."""

    jwks_url: AnyHttpUrl | None = Field(
        default=None, description="Where the keys of the issuer are; needed."
    )
    issuer: str | None = Field(default=None, description="What `iss` must be; needed.")
    audience: str | None = Field(default=None, description="What `aud` must hold; needed.")
    algorithms: tuple[Algorithm, ...] = Field(
        default=("RS256", "ES256"), min_length=1, description="Signatures that are taken."
    )
    leeway_s: float = Field(
        default=10.0, ge=0, le=300, description="By how much clocks may differ."
    )
    user_claim: Name = Field(
        default="sub", description="The claim that tells users apart; dots lead into objects."
    )
    name_claim: Name = Field(
        default="preferred_username", description="The claim that people read."
    )
    roles_claim: Name | None = Field(
        default=None, description="The claim that lists roles by their names here."
    )
    keys_ttl_s: Seconds = Field(
        default=300.0, description="How long the keys of the issuer are used before a new look."
    )
    keys_stale_s: float = Field(
        default=86_400.0,
        ge=0,
        description="For how much longer they are used while the issuer cannot be reached.",
    )
    timeout_s: Seconds = Field(default=5.0, description="How long the issuer may take.")
    ca_file: Path | None = Field(
        default=None, description="Certificates to trust instead of the system's (PEM)."
    )


class KubernetesSettings(Group):
    """Which cluster is asked (`authentication.by = "kubernetes"`)."""

    api_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("https://kubernetes.default.svc"), description="Its API server."
    )
    token_file: Path = Field(
        default=Path("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        description="Our own token, read again when it changes.",
    )
    ca_file: Path | None = Field(
        default=Path("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"),
        description="Certificates of the API server (PEM).",
    )
    audiences: tuple[str, ...] = Field(
        default=(), description="Audiences that a token must be for; without, the API server's."
    )
    path: Annotated[str, Field(pattern=r"^/")] = Field(
        default="/turnstile",
        description="The non-resource path for which a caller needs the verb `get` to use the "
        "service (SubjectAccessReview).",
    )
    cache_ttl_s: Seconds = Field(
        default=60.0, description="How long an answer of the cluster is good for."
    )
    timeout_s: Seconds = Field(default=5.0, description="How long the cluster may take.")


class RuleSettings(Group):
    """A rule by which a claim gives roles."""

    claim: Name = Field(description="Which claim; dots lead into objects.")
    operator: Literal["equals", "contains", "in", "matches"] = Field(
        default="contains",
        description="How it is compared: it is the value, a list that contains it, one of the "
        "values, or a text that matches the whole pattern.",
    )
    value: Any = Field(description="What it is compared with; a list for `in`.")
    roles: tuple[Role, ...] = Field(min_length=1, description="What it gives.")


class AuthorizationSettings(Group):
    """Who may do what."""

    default_roles: tuple[Role, ...] = Field(
        default=("user",), description="Roles of everybody who is recognised."
    )
    developer_roles: tuple[Role, ...] = Field(
        default=("developer",), description="Roles of the one developer of `none`."
    )
    roles: dict[Role, tuple[str, ...]] = Field(
        default={},
        description="What roles may do, besides or in the place of `user`, `developer` and "
        "`admin`: a list of actions, `*` for all that concern nobody else.",
    )


class CorsSettings(Group):
    """Which pages of other origins may use the service from a browser."""

    origins: tuple[Annotated[str, Field(pattern=r"^https?://[^/*\s]+$")], ...] = Field(
        default=(), description="Origins, exactly as browsers send them; without, none."
    )
    max_age_s: int = Field(
        default=600, ge=0, le=86_400, description="How long a browser remembers the answer."
    )
