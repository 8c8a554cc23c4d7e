"""uvicorn's HTTP, with what it leaves to a proxy.

1. A response can get at its connection. uvicorn closes one by waiting until its client has taken
   everything, for ever if need be; who takes nothing can be cut off only at the transport.
2. The head of a request is bounded, in size and in time, and so is what follows its body. The
   parser keeps whatever comes of these.
3. Headers that follow a body are dropped: what was decided by those before it stays decided.
4. What is no request is answered like any other error.
5. A request that names no Host, or two of them, is none (RFC 9112, 3.2): a proxy might have gone by
   the other one.
6. An offer of another protocol is not taken up (RFC 9110, 7.8): llhttp stops after its head, and
   uvicorn takes what follows, which is the body, for the next request.
"""

import asyncio
from typing import override

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.errors import HeadTooLarge, RequestNotHttp, ServiceError
from service.routes.problems import problem
from service.routes.watch import EXTENSION

HEAD_LIMIT_BYTES = 64 * 1024
FIELDS_LIMIT = 200


class TurnstileProtocol(HttpToolsProtocol):
    """One connection; the scope of each of its requests names the transport.

    `head_timeout_s` is how long a head may take to come, the first one from the connection on, and
    the rest of a request that has its answer. `_held_bytes` is what came since a request has begun
    or its body gone on.
    """

    head_timeout_s = 30.0
    _held_bytes = 0
    _in_head = True
    _in_request = False
    _has_gone_on = False
    _refusal: ServiceError | None = None
    _waiting: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self.parser = _Parser(self)
        self._await_head()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        self._has_gone_on = False
        super().data_received(data)
        if not (self._has_gone_on or self.transport.is_closing()):
            self._held_bytes += len(data)
            if self._held_bytes > HEAD_LIMIT_BYTES:
                self._refuse(_too_large())

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_request = True
        self._go_on()
        self.scope["extensions"] = {EXTENSION: {"transport": self.transport}}
        self._await_head()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    @override
    def on_body(self, body: bytes) -> None:
        self._go_on()
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            self._in_request = False
            super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_request:
            self._await_head()

    @override
    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        size_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        # The parser ends where one is raised, and what it raises instead leads to the refusal.
        if size_bytes > HEAD_LIMIT_BYTES or len(self.headers) > FIELDS_LIMIT:
            self._refusal = _too_large()
            raise self._refusal
        if self.parser.get_method() == b"CONNECT":
            self._refusal = RequestNotHttp("Nothing is connected to from here.")
            raise self._refusal
        if not self._has_one_host():
            self._refusal = RequestNotHttp("It must name one Host.")
            raise self._refusal
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def _has_one_host(self) -> bool:
        """Tell whether a request says once whom it is for, as it must since HTTP/1.1."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        return hosts == 1 or (hosts == 0 and self.parser.get_http_version() == "1.0")

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal or RequestNotHttp(msg))

    def abort(self) -> None:
        """Close the connection without waiting for anything."""
        self.transport.abort()

    def _refuse(self, refusal: ServiceError) -> None:
        """Answer what is no request; nothing may get into an answer that is under way."""
        if not self._is_busy or not self.cycle.response_started:
            answer = problem(refusal, {"Connection": "close"})
            head = [b"%b: %b\r\n" % each for each in answer.raw_headers]
            self.transport.write(
                b"".join([STATUS_LINE[answer.status_code], *head, b"\r\n", answer.body])
            )
        self.transport.close()

    @property
    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _go_on(self) -> None:
        self._has_gone_on = True
        self._held_bytes = 0

    def _await_head(self) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _give_up(self) -> None:
        if not self._is_busy:
            self.transport.close()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class _Parser(HttpRequestParser):
    """Reads on after an offer: from the same head once more, without it."""

    def __init__(self, protocol: TurnstileProtocol) -> None:
        self._protocol = protocol
        self._begin()

    @override
    def feed_data(self, data: bytes) -> None:  # type: ignore[override] # uvicorn has nothing else
        left = memoryview(data)
        while left:
            try:
                super().feed_data(left)
            except HttpParserUpgrade as offered:
                left = left[offered.args[0] :]
                head = self._head_without_offer()
                self._begin()
                super().feed_data(head)
            else:
                return

    def _begin(self) -> None:
        # Also makes a parser that has stopped as good as new.
        super().__init__(self._protocol)
        # As uvicorn has it: what follows the last request of a connection is not wrong.
        self.set_dangerous_leniencies(lenient_data_after_close=True)

    def _head_without_offer(self) -> bytes:
        version = self.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.get_method(), self._protocol.url, version)]
        headers = self._protocol.headers
        lines += [b"%b: %b" % each for each in headers if each[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])


def _too_large() -> HeadTooLarge:
    limit = f"{HEAD_LIMIT_BYTES // 1024} KiB and {FIELDS_LIMIT} headers"
    return HeadTooLarge(f"It may have at most {limit}.")
