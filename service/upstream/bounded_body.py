"""Bodies beside the streams, read only as far as anybody wants to hold them."""

from collections.abc import AsyncIterator
from typing import cast

import httpx

from service.upstream.faults import AnswerTooLarge

EVENT_STREAM = "text/event-stream"
_LIMIT_BYTES = 16 * 1024 * 1024
"""More than any list of models or stores; an endless body would fill the memory."""


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body; raises when it is too large."""
        left = _LIMIT_BYTES
        async for data in self._stream:
            left -= len(data)
            if left < 0:
                raise AnswerTooLarge(f"more than {_LIMIT_BYTES} bytes")
            yield data

    async def aclose(self) -> None:
        """Close the body."""
        await self._stream.aclose()


async def bound(response: httpx.Response) -> None:
    """Bound an answer, unless it is a stream of events: that is bounded by who reads it."""
    content_type = response.headers.get("content-type", "").lower()
    if not (response.is_success and content_type.startswith(EVENT_STREAM)):
        response.stream = _BoundedStream(cast("httpx.AsyncByteStream", response.stream))
