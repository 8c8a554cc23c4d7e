"""Reading request bodies: within bounds, parsed once, refused with a clear error."""

from typing import Any

import anyio
import msgspec
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from service.errors import BodyTooLarge, BodyTooSlow, RequestInvalid, RequestNotJson
from service.settings import Settings

_ERRORS_SHOWN = 5
_NAME_SHOWN = 100

DEPTH_LIMIT = 64
VALUES_LIMIT = 50_000
"""What a body may hold: what is deeper or more would be dear, or too much, further on."""


def parse[Body: BaseModel](model: type[Body], value: object) -> Body:
    """Return the checked body.

    Raises:
        RequestInvalid: names every field that is wrong, never its value.
    """
    if not isinstance(value, dict):
        raise RequestInvalid("body: must be a JSON object")
    try:
        return model.model_validate(value)
    except ValidationError as invalid:
        raise RequestInvalid(_problems(invalid)) from None


async def read_json(request: Request, settings: Settings) -> object:
    """Return the JSON value of a request body.

    Raises:
        RequestNotJson, RequestInvalid, BodyTooLarge, BodyTooSlow: what is wrong with it.
    """
    try:
        with anyio.fail_after(settings.body_timeout_s):
            data = await _read(request, settings.body_limit_bytes)
    except TimeoutError:
        raise BodyTooSlow(f"It must come within {settings.body_timeout_s:g} s.") from None
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RequestNotJson("The body cannot be parsed as JSON.") from None
    check_bounds(value)
    return value


def check_bounds(value: object) -> None:
    """Look at a value of JSON level by level, no further than it may go.

    Raises:
        RequestInvalid: it is nested too deeply, or has too many values.
    """
    level, count = [value], 1
    for _ in range(DEPTH_LIMIT):
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        count += len(inner)
        if count > VALUES_LIMIT:
            raise RequestInvalid(f"body: may have at most {VALUES_LIMIT} values")
        if not inner:
            return
        level = inner
    raise RequestInvalid(f"body: may be nested at most {DEPTH_LIMIT} deep")


async def _read(request: Request, limit_bytes: int) -> bytes:
    data = bytearray()
    announced = request.headers.get("content-length", "")
    # Who asks first whether to send it (Expect: 100-continue) is told before it does.
    if announced.isdecimal() and int(announced) > limit_bytes:
        raise _too_large(limit_bytes)
    try:
        async for part in request.stream():
            data += part
            if len(data) > limit_bytes:
                raise _too_large(limit_bytes)
    except ClientDisconnect:
        raise RequestNotJson("The body did not come to its end.") from None
    return bytes(data)


def _too_large(limit_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"It may have at most {limit_bytes} bytes.")


def _problems(invalid: ValidationError) -> str:
    errors: list[Any] = invalid.errors(include_url=False, include_input=False)
    lines = [
        f"{'.'.join(str(name)[:_NAME_SHOWN] for name in error['loc']) or 'body'}: {error['msg']}"
        for error in errors[:_ERRORS_SHOWN]
    ]
    more = len(errors) - len(lines)
    return "; ".join([*lines, f"and {more} more"] if more > 0 else lines)
