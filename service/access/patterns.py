"""Everything that can be looked for without a pattern of one's own, by its kind."""

from collections.abc import Mapping
from types import MappingProxyType

from service.access import assignments, known_secrets
from service.access.addresses import is_ipv4, is_ipv6
from service.access.finders import Finder, Found, finder, folded, secret_in

_UNITS = frozenset({"device", "mount", "path", "scope", "service", "slice", "socket", "timer"})


def _mail(found: Found) -> bool:
    """A version of a package, a unit of systemd and `git@github.com:owner` are none of mail."""
    domain = found[0][1:].lower()
    of_shell = found["begin"] == "git" and found.string[found.end() : found.end() + 1] == ":"
    first, _, last = domain.partition(".")[0], *domain.rpartition(".")[1:]
    return not of_shell and not first.isdigit() and last not in _UNITS


def _ipv4(found: Found) -> bool:
    return is_ipv4(secret_in(found))


def _ipv6(found: Found) -> bool:
    return is_ipv6(secret_in(found))


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
    folded(
        "ip_address",
        r"""(?<! [\w.] ) (?= \d{1,3} \. \d )
        (?<! [=<>~!] = | [a-z] - | (?-i:[A-Z]) [a-z]{0,32} /
          | (?: version | release | build | firmware | tag | oid ) ["']?
            [ \t]{0,4} [:=]? [ \t]{0,4} ["']? )
        (?: \d{1,3} \. ){3} \d{1,3} (?! \w | \. \d | - [a-z] )""",
        ".",
        judge=_ipv4,
    ),
    finder(
        "ip_address",
        r"""(?<! [\w:.] ) (?: [0-9A-Fa-f]{0,4} : ){2,7}
        (?: (?: \d{1,3} \. ){3} \d{1,3} | [0-9A-Fa-f]{1,4} | (?<= :: ) )
        (?! \w | : [\w:] | \. \d )""",
        "::",
        ":",
        judge=_ipv6,
    ),
)

BUILT_IN: Mapping[str, tuple[Finder, ...]] = MappingProxyType(
    {
        "keys": (*known_secrets.KEYS, *assignments.KEYS),
        "tokens": (*known_secrets.TOKENS, *assignments.TOKENS),
        "emails": _EMAILS,
        "ip_addresses": _IP_ADDRESSES,
    }
)
"""By the names that `redaction.kinds` knows."""
