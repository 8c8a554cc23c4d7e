"""Requests to Llama Stack through its client, and what their failures mean.

Differences from the ordinary use of `llama-stack-client`, each with its reason:

1. The version header is taken off: servers of another version would answer 426.
2. Bodies are plain mappings and answers plain JSON: typed chunks cost some hundred microseconds
   each, turn unknown kinds into wrong ones, and know the fields of one server version only.
3. Only requests that are safe to repeat are repeated; the client would repeat every one.
"""

import json
import logging
import ssl
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import httpx

from service.errors import SettingsInvalid, UpstreamError, UpstreamReset
from service.settings.groups import UpstreamSettings
from service.upstream.bounded_body import EVENT_STREAM, bound
from service.upstream.faults import fault, reading, translated
from service.upstream.quoted_secrets import quotable, secrets_in, without_secrets
from service.upstream.text import utf8
from statemachine import FrameReader, FrameTooLarge

if TYPE_CHECKING:
    from llama_stack_client import AsyncLlamaStackClient

type Body = Mapping[str, object]
type Headers = Mapping[str, str]

_DRAIN_WAIT_S = 0.02
"""How long the end of a body is waited for when everything was said; else it is cut."""

_CLOSE_WAIT_S = 1.0
"""How long a connection may take to close; what waits for it is only our own end."""


@dataclass(slots=True, eq=False)
class Connection:
    """The one connection pool of the process to its upstream."""

    settings: UpstreamSettings
    _tls: ssl.SSLContext = field(init=False)
    _secrets: tuple[str, ...] = field(init=False)
    _client: "AsyncLlamaStackClient | None" = None

    def __post_init__(self) -> None:
        self._tls = _tls(self.settings)
        key = self.settings.api_key
        self._secrets = (
            *quotable([key.get_secret_value()] if key else []),
            *secrets_in(str(self.settings.url or "")),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the pool; importing the client takes a second, so it is done beside the loop."""
        client = await anyio.to_thread.run_sync(self._make)
        async with client:
            self._client = client
            try:
                yield
            finally:
                self._client = None

    async def get(self, path: str) -> Any:  # noqa: ANN401 # JSON of somebody else
        """Return the JSON of an answer; the request is repeated when it fails.

        Raises:
            UpstreamError: there is no answer, or it is an error.
        """
        return _parsed(await self._request("GET", path, retries=self.settings.retries_limit))

    async def post(self, path: str, body: Body, *, repeatable: bool = False) -> Any:  # noqa: ANN401 # JSON
        """Send JSON and return the JSON of the answer; see `get`."""
        retries = self.settings.retries_limit if repeatable else 0
        return _parsed(await self._request("POST", path, body, retries=retries))

    async def delete(self, path: str) -> None:
        """Delete something; see `get`."""
        await self._request("DELETE", path, retries=self.settings.retries_limit)

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        body: Body,
        headers: Headers | None = None,
        *,
        secrets: Sequence[str] = (),
    ) -> AsyncIterator[AsyncGenerator[Sequence[bytes]]]:
        """Send JSON once and yield the `data:` payloads of the event stream that answers.

        They come as they arrive, those that arrive together at once.
        Leaving the context closes the connection: that is how a server learns to stop.
        Where the server quotes one of the secrets, it is taken out.

        Raises:
            UpstreamError: there is no answer, or it is none of events.
        """
        secrets = (*secrets, *self._secrets)
        arriving = _arriving(await self._answer(path, utf8(body), headers or {}, secrets))
        try:
            async with aclosing(_batches(arriving.data, secrets)) as batches:
                yield batches
                await _drain(batches)
        finally:
            with anyio.move_on_after(_CLOSE_WAIT_S, shield=True):
                await arriving.close()

    async def _answer(
        self, path: str, body: object, headers: Headers, secrets: Sequence[str]
    ) -> httpx.Response:
        """Send JSON once and return the answer, whose body is still to come."""
        raw = {"X-Stainless-Raw-Response": "stream", "Accept": EVENT_STREAM, **headers}
        options = _options(raw, 0, self._timeout(read_s=None))
        with translated(secrets):
            answer: Any = await self._live().post(path, body=body, cast_to=object, options=options)
        response: httpx.Response = answer.http_response
        content_type = response.headers.get("content-type", "")
        if not content_type.lower().startswith(EVENT_STREAM):
            with anyio.move_on_after(_CLOSE_WAIT_S, shield=True):
                await response.aclose()
            raise fault("upstream_not_a_stream", f"content type {content_type[:100]!r}")
        return response

    async def _request(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        retries: int,
    ) -> httpx.Response:
        """Send a request and wait for its answer, within the time for it and its repetitions."""
        options = _options({}, retries, self._timeout(self.settings.request_timeout_s))
        client, kind = self._live(), httpx.Response
        try:
            with translated(self._secrets), anyio.fail_after(self.settings.request_timeout_s):
                match method:
                    case "GET":
                        return await client.get(path, cast_to=kind, options=options)
                    case "DELETE":
                        return await client.delete(path, cast_to=kind, options=options)
                    case _:
                        sent = utf8(body)
                        return await client.post(path, body=sent, cast_to=kind, options=options)
        except TimeoutError:
            raise fault("upstream_timeout", f"{method} {path}") from None

    def _live(self) -> "AsyncLlamaStackClient":
        if self._client is None:
            raise fault("upstream_closed", "The connections are closed.")
        return self._client

    def _make(self) -> "AsyncLlamaStackClient":
        from llama_stack_client import AsyncLlamaStackClient

        from service.upstream.transport import Transport

        settings = self.settings
        key = settings.api_key.get_secret_value() if settings.api_key else None
        client = AsyncLlamaStackClient(
            base_url=str(settings.url),
            api_key=key,
            http_client=httpx.AsyncClient(
                transport=Transport(self._tls, settings.connections_limit),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                event_hooks={"response": [bound]},
            ),
        )
        client._custom_headers = {}  # noqa: SLF001 # the constructor adds the version to any others
        # Without a key, the client takes one from the environment.
        client.api_key = key
        # And its import may have set levels from there, at which credentials would be logged.
        for name in ("llama_stack_client", "httpx"):
            logging.getLogger(name).setLevel(logging.NOTSET)
        return client

    def _timeout(self, read_s: float | None) -> httpx.Timeout:
        """Silence of a stream is judged by who drives the turn, so it has no read timeout."""
        return httpx.Timeout(read_s, connect=self.settings.connect_timeout_s)


def _options(headers: Headers, retries: int, timeout: httpx.Timeout) -> Any:  # noqa: ANN401 # the client's own
    """Return request options as the client library takes them."""
    return {"headers": dict(headers), "max_retries": retries, "timeout": timeout}


def _tls(settings: UpstreamSettings) -> ssl.SSLContext:
    """Return whom to trust, and who we are."""
    files = f"upstream.ca_file {settings.ca_file}, certificate_file {settings.certificate_file}"
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file:
            context.load_cert_chain(settings.certificate_file)
    except OSError as refused:  # what ssl raises is one too
        raise SettingsInvalid(f"{files} cannot be used: {refused}") from refused
    context.set_alpn_protocols(["http/1.1"])
    if not settings.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _parsed(response: httpx.Response) -> Any:  # noqa: ANN401 # as above
    """Return the JSON of an answer, whatever type it says it has; there may be none."""
    try:
        return utf8(json.loads(response.content)) if response.content else None
    except (ValueError, RecursionError) as odd:
        raise fault("upstream_not_json", repr(response.content[:100])) from odd


async def _drain(batches: AsyncGenerator[Sequence[bytes]]) -> None:
    """Read a body that is at its end to the end: its connection can then be used again."""
    with anyio.move_on_after(_DRAIN_WAIT_S), suppress(UpstreamReset, UpstreamError):
        async for _ in batches:
            pass


class _Arriving(NamedTuple):
    """A body that arrives, and how it is closed."""

    data: AsyncIterator[bytes]
    close: Callable[[], Awaitable[None]]


def _arriving(response: httpx.Response) -> _Arriving:
    """Return the body without the stages of the client, which only a packed one needs.

    So what was asked and all that belongs to it need not be kept for as long as a turn runs.
    """
    from service.upstream.transport import BODY

    if "content-encoding" in response.headers:
        return _Arriving(response.aiter_bytes(), response.aclose)
    body: httpx.AsyncByteStream = response.extensions.get(BODY, response.stream)
    return _Arriving(aiter(body), body.aclose)


async def _batches(
    arriving: AsyncIterator[bytes], secrets: Sequence[str]
) -> AsyncGenerator[Sequence[bytes]]:
    """Yield the payloads of each read that completes any; a body that ends inside one was cut.

    A frame that is too large began in an earlier read: all that came before it has been yielded.
    """
    reader = FrameReader()
    with reading():
        async for data in arriving:
            try:
                batch = reader.feed(data)
            except FrameTooLarge as refused:
                raise fault(refused.code, str(refused)) from refused
            if batch:
                yield [without_secrets(each, secrets) for each in batch] if secrets else batch
    if reader.partial:
        raise UpstreamReset
