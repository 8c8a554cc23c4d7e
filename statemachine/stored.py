"""Emissions as another process reads them: the payload as it is, and beside it what it lacks.

A token, which is most of what is stored, is all in its payload.
"""

import json
from typing import Any

import msgspec

from statemachine.downstream.native import EVENT_NAMES
from statemachine.emissions import TERMINALS, Emission, Output, Seal, Token
from statemachine.states import State

_OUTPUTS = {name: output for output, name in EVENT_NAMES.items() if output is not Token}


class _Text(msgspec.Struct):
    token: str


class _Said(msgspec.Struct, tag_field="event", tag=EVENT_NAMES[Token]):
    """The payload of a token."""

    data: _Text


class _Rest(msgspec.Struct, omit_defaults=True):
    """What a payload lacks; a token has neither `event` nor `output`."""

    path: tuple[State, ...] = ()
    event: str | None = None
    output: Any = None
    seal: Seal | None = None


_encode = msgspec.json.Encoder().encode
_SAID = msgspec.json.Decoder(_Said)
_REST = msgspec.json.Decoder(_Rest)


def pack(emission: Emission) -> tuple[bytes, bytes]:
    """Return the payload of an emission, and the rest of it, which is empty for most tokens."""
    output = emission.output
    if output.__class__ is not Token:
        name = EVENT_NAMES[type(output)]
        return emission.payload, _written(_Rest(emission.path, name, output, emission.seal))
    return emission.payload, _written(_Rest(emission.path)) if emission.path else b""


def unpack(number: int, payload: bytes, rest: bytes) -> Emission:
    """Return the emission that was packed.

    Raises:
        ValueError: it was not; another version has written it, or something else.
    """
    try:
        if not rest:
            return Emission(number, Token(_text(payload)), payload)
        beside = _read(rest, _REST)
        output = _output(payload, beside)
    except (ValueError, RecursionError) as odd:
        raise ValueError(f"not an emission: {odd}") from odd
    if (output.__class__ in TERMINALS) is (beside.seal is None):
        raise ValueError("not an emission: a terminal one has a seal, and no other")
    return Emission(number, output, payload, beside.path, beside.seal)


def _output(payload: bytes, beside: _Rest) -> Output:
    if beside.event is None:
        return Token(_text(payload))
    if beside.event not in _OUTPUTS:
        raise ValueError(f"nothing is called {beside.event}")
    output: Output = msgspec.convert(beside.output, _OUTPUTS[beside.event])
    return output


def _text(payload: bytes) -> str:
    return _read(payload, _SAID).data.token


def _written(rest: _Rest) -> bytes:
    try:
        return _encode(rest)
    except UnicodeEncodeError:
        # UTF-8 lacks half a surrogate pair, so that goes out escaped.
        return json.dumps(msgspec.to_builtins(rest)).encode()


def _read[T](stored: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(stored)
    except (msgspec.DecodeError, RecursionError):
        # Half a surrogate pair is taken by the other decoder only.
        return msgspec.convert(json.loads(stored), decoder.type)
