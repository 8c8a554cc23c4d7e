"""Counting the kinds that a decoder does not know, so that a newer upstream keeps working."""

_KINDS_LIMIT = 100
_NAME_LIMIT = 100
OTHER = "(others)"


def note_unknown(counts: dict[str, int], kind: str) -> None:
    """Count one skipped chunk; names and their number are bounded."""
    name = kind[:_NAME_LIMIT]
    if name not in counts and len(counts) >= _KINDS_LIMIT:
        name = OTHER
    counts[name] = counts.get(name, 0) + 1
