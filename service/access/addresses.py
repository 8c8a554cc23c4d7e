"""Tells an address of somebody from what only looks like one: a time, a net mask, code."""

import ipaddress

_IN_USE = tuple(
    ipaddress.IPv6Network(each)
    for each in ("2000::/3", "fc00::/7", "fe80::/10", "ff00::/8", "64:ff9b::/96")
)
_LAST_OF_SOMEBODY = 223
"""Higher ones are groups, masks and not in use."""


def is_ipv4(address: str) -> bool:
    """Tell whether four numbers are an address of somebody: 127.0.0.1 and 0.0.0.0 are not."""
    try:
        found = ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return 0 < found.packed[0] <= _LAST_OF_SOMEBODY and not found.is_loopback


def is_ipv6(address: str) -> bool:
    """Tell whether something is an address in use: what else looks like one is code or a time."""
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped
    return is_ipv4(str(mapped)) if mapped else any(found in network for network in _IN_USE)
