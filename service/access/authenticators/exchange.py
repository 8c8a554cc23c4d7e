"""Questions to the servers that know who somebody is: bounded in time and in size.

Keys come from there and tokens go there, so nothing leads elsewhere: redirects are not followed,
and the proxies that the environment names are not used.
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import msgspec
import structlog
from pydantic import AnyHttpUrl

from service.access.loopback import is_loopback
from service.errors import SettingsInvalid

logger = structlog.get_logger()

_ANSWER_LIMIT_BYTES = 1024 * 1024
"""More than any issuer has keys; an endless body would fill the memory."""

_CONNECTIONS = 50


class NoAnswer(Exception):
    """There is no answer that can be used; the text says why, without what was sent."""


class Exchange:
    """The connections to one server."""

    def __init__(self, tls: ssl.SSLContext, timeout_s: float) -> None:
        self._tls = tls
        self._timeout_s = timeout_s
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the connections until the context is left."""
        limits = httpx.Limits(max_connections=_CONNECTIONS)
        async with httpx.AsyncClient(
            verify=self._tls,
            timeout=self._timeout_s,
            limits=limits,
            trust_env=False,
            follow_redirects=False,
        ) as client:
            self._client = client
            try:
                yield
            finally:
                self._client = None

    async def ask(
        self,
        method: str,
        url: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, object]:
        """Return the JSON object that answers.

        Raises:
            NoAnswer: there is none, in time and whole.
        """
        if self._client is None:
            raise NoAnswer("the service does not run")
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        request = self._client.build_request(method, url, json=body, headers=sent)
        try:
            with anyio.fail_after(self._timeout_s):
                data = await self._answer(self._client, request)
        except (httpx.HTTPError, OSError) as failed:
            raise NoAnswer(type(failed).__name__) from failed
        return _json_object(data)

    async def _answer(self, client: httpx.AsyncClient, request: httpx.Request) -> bytes:
        """Return the body of a good answer."""
        response = await client.send(request, stream=True)
        try:
            if not response.is_success:
                raise NoAnswer(f"status {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise NoAnswer("the answer is compressed, which was not asked for")
            data = bytearray()
            async for piece in response.aiter_raw():
                data += piece
                if len(data) > _ANSWER_LIMIT_BYTES:
                    raise NoAnswer(f"the answer has more than {_ANSWER_LIMIT_BYTES} bytes")
            return bytes(data)
        finally:
            await response.aclose()


def open_exchange(where: str, url: AnyHttpUrl, ca_file: Path | None, timeout_s: float) -> Exchange:
    """Return the connections to a server; `where` is the group of settings that names it.

    Raises:
        SettingsInvalid: the file with the certificates cannot be used.
    """
    if url.scheme == "http":
        if not is_loopback(url.host or ""):
            logger.warning("authentication.not_encrypted", setting=where)
        # It trusts nobody.
        return Exchange(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), timeout_s)
    try:
        tls = ssl.create_default_context(cafile=ca_file)
    except OSError as refused:  # what ssl raises is one too
        raise SettingsInvalid(f"{where}.ca_file {ca_file} cannot be used: {refused}") from refused
    return Exchange(tls, timeout_s)


def _json_object(data: bytes) -> Mapping[str, object]:
    try:
        answer = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as odd:
        raise NoAnswer("the answer is not JSON") from odd
    if not isinstance(answer, dict):
        raise NoAnswer("the answer is not a JSON object")
    return answer
