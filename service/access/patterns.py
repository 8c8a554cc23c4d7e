"""Everything that can be looked for without a pattern of one's own, by its kind."""

import ipaddress
from collections.abc import Mapping
from types import MappingProxyType

import regex  # type: ignore[import-untyped] # it has no types

from service.access import assignments, known_secrets, places
from service.access.finders import Finder, Found, finder, folded

_LOGS_IN = regex.compile(r"://[^\s/?#]*+$")
_UNITS = frozenset({"device", "mount", "path", "scope", "service", "slice", "socket", "timer"})


def _mail(found: Found) -> bool:
    """Who logs in, versions of packages and units of systemd have addresses, but not for mail."""
    if _LOGS_IN.search(found.string, max(0, found.start("begin") - 256), found.start("begin")):
        return False
    domain = found[0][1:].lower()
    of_shell = found["begin"] == "git" and found.string[found.end() : found.end() + 1] == ":"
    first, second, *_ = labels = domain.split(".")
    of_package = first.isdigit() and second[0].isdigit()
    return not of_shell and not of_package and labels[-1] not in _UNITS


def _ipv6(found: Found) -> bool:
    """What begins as an address and is one; loopback in the new spelling is nobody's."""
    try:
        address = ipaddress.IPv6Address(found[0])
    except ValueError:
        return False
    return not (address.ipv4_mapped and address.ipv4_mapped.is_loopback)


_EMAILS = (
    finder(
        "email",
        r"""(?<= (?P<begin> [\w.%+-]{1,64} ) ) @ (?: [^\W_] (?: [\w-]{0,61} [^\W_] )? \. ){1,8}
        [^\W\d_]{2,24} (?! [\w-] | \. \w )""",
        "@",
        judge=_mail,
    ),
)

_IP_ADDRESSES = (
    # Nobody's are 0.0.0.0, 127.0.0.1, and whatever is above 223: groups, masks, not in use.
    folded(
        "ip_address",
        r"""(?<! [\w.] ) (?= \d{1,3} \. \d )
        (?<! (?<! addr | host | src | dst | \b ip ) [=<>~!] = | [a-z] - | (?-i:[A-Z]) [a-z]{0,32} /
          | (?: version | release | firmware
              | (?: (?<! [a-z] ) | (?-i: (?= [A-Z] ) ) ) (?: build | tag | oid ) )
            ["']? [ \t]{0,4} [:=]? [ \t]{0,4} ["']? )
        (?: 22[0-3] | 2[01]\d | 1(?!27)\d\d | [1-9]\d? )
        (?: \. (?: 25[0-5] | 2[0-4]\d | 1\d\d | [1-9]?\d ) ){3} (?! \w | \. \d | - [a-z] )""",
        ".",
    ),
    # Only what is in use: what else looks like one is code or a time.
    folded(
        "ip_address",
        r"""(?= [236f:] ) (?<! [\w:.] )
        (?= [23][0-9a-f]{3} : | f[cdf][0-9a-f]{2} : | fe[89ab][0-9a-f] : | 64:ff9b: | ::ffff: )
        (?: [0-9a-f]{0,4} : ){2,7} (?: (?: \d{1,3} \. ){3} \d{1,3} | [0-9a-f]{1,4} | (?<= :: ) )
        (?! \w | : [\w:] | \. \d )""",
        ":",
        judge=_ipv6,
    ),
)

BUILT_IN: Mapping[str, tuple[Finder, ...]] = MappingProxyType(
    {
        "keys": (
            *known_secrets.KEYS,
            *assignments.PASSWORDS,
            *places.PASSWORDS,
            *places.SECRETS,
            *assignments.SECRETS,
        ),
        "tokens": (*known_secrets.TOKENS, *places.TOKENS, *assignments.TOKENS),
        "emails": _EMAILS,
        "ip_addresses": _IP_ADDRESSES,
    }
)
"""By the names that `redaction.kinds` knows."""
