"""Our values as JSON, and back.

1. The JSON module writes them, not msgspec: that refuses text with halves of surrogate pairs, which
   a model may send and a client may ask with.
2. Fields that are unknown are passed over and missing ones have their defaults, so that replicas of
   two versions can share a Redis.
"""

import json

import msgspec


def encode(value: object) -> bytes:
    """Return a value as JSON: a dataclass, or a tuple of them."""
    plain = msgspec.to_builtins(value)
    return json.dumps(plain, ensure_ascii=False).encode("utf-8", "surrogatepass")


def decode[T](data: bytes, kind: type[T]) -> T:
    """Return the value that was encoded.

    Raises:
        ValueError: it is no value of this kind.
    """
    return msgspec.convert(json.loads(data.decode("utf-8", "surrogatepass")), kind)
