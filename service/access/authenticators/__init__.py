"""Who makes a request: one authenticator for each way to know, behind one port."""

import time
from collections.abc import Mapping
from itertools import groupby

from service.access.authenticators.api_keys import ApiKeys
from service.access.authenticators.nobody import Nobody
from service.access.claims import is_user
from service.access.loopback import is_loopback
from service.access.policy import check_roles, roles_of
from service.errors import SettingsInvalid
from service.ports.access import Authenticator
from service.settings import Settings

__all__ = ["open_authenticator", "refuse_exposed"]

_USED_BY: Mapping[str, tuple[str, ...]] = {
    "api_keys": ("api_keys",),
    "jwt": ("jwt",),
    "kubernetes": ("kubernetes",),
    "role_rules": ("jwt", "kubernetes"),
}
"""By which `authentication.by` settings are used; keys have no claims that rules could look at."""


def open_authenticator(settings: Settings) -> Authenticator:
    """Return what recognises callers.

    Raises:
        SettingsInvalid: it cannot work with these settings.
    """
    _refuse_unused(settings)
    match settings.authentication.by:
        case "none":
            refuse_exposed(settings)
            return Nobody(settings.authorization.developer_roles)
        case "api_keys":
            return _api_keys(settings)
        # Who needs neither of these does not pay for their libraries.
        case "jwt":
            from service.access.authenticators.jwt import open_json_web_tokens  # noqa: PLC0415 # see above

            return open_json_web_tokens(settings.jwt)
        case "kubernetes":
            from service.access.authenticators.kubernetes import open_kubernetes  # noqa: PLC0415 # the same

            return open_kubernetes(settings.kubernetes)


def refuse_exposed(settings: Settings) -> None:
    """Refuse that others reach a service that asks nobody who they are.

    Raises:
        SettingsInvalid: they could.
    """
    authentication = settings.authentication
    if authentication.by != "none" or authentication.allow_remote or is_loopback(settings.host):
        return
    raise SettingsInvalid(
        f"host {settings.host!r} can be reached by others, and authentication.by is `none`: "
        "choose `api_keys`, `jwt` or `kubernetes`, a loopback address, or set "
        "authentication.allow_remote"
    )


def _refuse_unused(settings: Settings) -> None:
    """Refuse settings of a way in that is not chosen: who has set them believes that it is.

    Raises:
        SettingsInvalid: there are some.
    """
    by = settings.authentication.by
    for name, ways in _USED_BY.items():
        stated = name in settings.model_fields_set and getattr(settings, name) != ()
        if stated and by not in ways:
            wanted = " or ".join(f"`{each}`" for each in ways)
            raise SettingsInvalid(
                f"{name}: they are only used when authentication.by is {wanted}, and it is `{by}`"
            )


def _api_keys(settings: Settings) -> Authenticator:
    keys = settings.api_keys
    if not keys:
        raise SettingsInvalid(
            "authentication.by is `api_keys`, and there are no api_keys; `turnstile api-key` "
            "makes one"
        )
    known = roles_of(settings.authorization)
    for key in keys:
        check_roles(f"api_keys {key.name!r}: roles", key.roles, known)
        if not is_user(key.user or key.name):
            raise SettingsInvalid(f"api_keys {key.name!r}: the user has unprintable characters")
    for _, same in groupby(sorted(keys, key=lambda key: key.hash), key=lambda key: key.hash):
        first, *others = same
        if others:
            raise SettingsInvalid(
                f"api_keys {first.name!r} and {others[0].name!r} are the same key"
            )
    return ApiKeys(keys, time.time)
