"""A turn as a streaming response: one encoder, one reader of the log."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from starlette.responses import StreamingResponse

from service.domain import TurnIds
from service.ports import LogReader, Page
from service.settings import Settings
from service.turns.follow import follow
from statemachine import HEARTBEAT, Encoder, retry


def stream_headers(ids: TurnIds, recording: str | None = None) -> dict[str, str]:
    """Return the headers of every answer about a turn."""
    headers = {
        "Cache-Control": "no-cache, no-transform",
        "X-Accel-Buffering": "no",
        "Content-Location": f"/v1/streaming_query/{ids.request_id}",
        "X-Request-Id": ids.request_id,
        "X-Conversation-Id": ids.conversation_id,
    }
    if recording:
        headers["X-Turnstile-Recording"] = quote(recording)
    return headers


def stream_response(
    reader: LogReader,
    after: int,
    encoder: Encoder,
    settings: Settings,
    headers: dict[str, str],
) -> StreamingResponse:
    """Return the response that follows a turn from what comes after emission `after`."""
    body = _body(reader, after, encoder, settings)
    return StreamingResponse(body, headers={**headers, "Content-Type": encoder.content_type})


async def _body(
    reader: LogReader, after: int, encoder: Encoder, settings: Settings
) -> AsyncIterator[bytes]:
    """One piece carries everything that is ready and never waits for more."""
    opening = retry(settings.retry_ms) if encoder.framed else b""
    async for page in follow(reader, settings.heartbeat_s):
        if page.emissions:
            data = _encode(page, after, encoder)
            after = page.emissions[-1].number
            if data:
                yield opening + data
                opening = b""
        elif encoder.framed:
            yield HEARTBEAT


def _encode(page: Page, after: int, encoder: Encoder) -> bytes:
    first = page.emissions[0].number
    gap = encoder.gap(after + 1, first) if first > after + 1 else b""
    return gap + b"".join(map(encoder.encode, page.emissions))
