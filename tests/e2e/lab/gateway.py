"""Turnstile before a real server, as a process, and a client of it that reads the real bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from tests.e2e.lab.laboratory import Laboratory
from tests.e2e.lab.model_client import Model
from tests.e2e.lab.told import Data, Told
from tests.support.server import ServerProcess, served
from tests.support.sse import Message, SseReader

TURNS = "/v1/streaming_query"
TIMEOUT_S = 60

GATEWAYS = {
    "agents-0.3.5": ("0.3.5", "agents"),
    "responses-0.3.5": ("0.3.5", "responses"),
    "0.7.3": ("0.7.3", "auto"),
    "ogx-1.5.0": ("ogx-1.5.0", "auto"),
}
"""The server and the API of it that drives turns, by the label in the ids of tests."""

type Headers = dict[str, str]


def only(*labels: str) -> pytest.MarkDecorator:
    """Run a test before these servers only."""
    return pytest.mark.parametrize("gateway", labels, indirect=True)


@dataclass(slots=True)
class Stream:
    """An answer while it comes; `body` and `messages` are what was read so far."""

    response: httpx.Response
    parts: Iterator[bytes]
    body: bytes = b""
    messages: list[Message] = field(default_factory=list)
    _reader: SseReader = field(default_factory=SseReader)

    @property
    def request_id(self) -> str:
        """The id of the turn."""
        return str(self.response.headers["x-request-id"])

    @property
    def last_id(self) -> str:
        """The id of the last event that was read."""
        return self.messages[-1].last_id

    def until(self, event: str) -> None:
        """Read until an event with this name has come."""
        sign = f'"event":"{event}"'
        while not any(sign in each.data for each in self.messages):
            self._read(next(self.parts))

    def rest(self) -> Told:
        """Read to the end."""
        for part in self.parts:
            self._read(part)
        return Told(self.response.status_code, dict(self.response.headers), self.body)

    def whole(self) -> bytes:
        """Return what was read up to the last event that has come whole."""
        return self.body[: self.body.rindex(b"\n\n") + 2]

    def _read(self, part: bytes) -> None:
        self.body += part
        self.messages += self._reader.feed(part)


@dataclass(frozen=True, slots=True)
class Gateway:
    """Turnstile before a laboratory; `dialect` is the API that drives its turns."""

    lab: Laboratory
    dialect: str
    process: ServerProcess

    @property
    def url(self) -> str:
        """The address of Turnstile."""
        return self.process.url

    @property
    def model(self) -> Model:
        """The scripted model behind the real server."""
        return self.lab.model

    def model_is_cut(self, within_s: float = 1) -> bool:
        """Tell whether the model has seen the real server hang up.

        Llama Stack 0.7.3 goes on listening after one close in ten, with or without Turnstile, so
        there nothing can be proved.
        """
        if self.lab.server.label == "0.7.3":
            return True
        return bool(self.model.wait_for_cut(within_s)["cut"])

    def ask(self, query: str, headers: Headers | None = None, **fields: Any) -> Told:
        """Ask and read the whole stream, which must keep the laws."""
        return self.post({"query": query, **fields}, headers=headers).check()

    def refused(self, query: str, **fields: Any) -> Data:
        """Ask and return why that was refused."""
        return self.post({"query": query, **fields}).problem

    def post(self, body: Data, route: str = "", headers: Headers | None = None) -> Told:
        """Post JSON to a route of turns and read the whole answer."""
        with self._streaming("POST", route, json=body, headers=headers) as stream:
            return stream.rest()

    @contextmanager
    def asking(self, query: str, **fields: Any) -> Iterator[Stream]:
        """Ask, and give the stream as it comes; leaving the context closes the connection."""
        with self._streaming("POST", "", json={"query": query, **fields}) as stream:
            yield stream

    def follow(self, request_id: str, last_id: str = "") -> Told:
        """Follow a turn from an event on to its end."""
        headers = {"last-event-id": last_id} if last_id else {}
        with self._streaming("GET", f"/{request_id}", headers=headers) as stream:
            return stream.rest()

    def answer(self, told: Told, **answers: Any) -> Told:
        """Answer a turn that waits, and read the whole answer."""
        return self.post(answers, f"/{told.request_id}/tool_results")

    def interrupt(self, request_id: str) -> Data:
        """Stop a turn."""
        data: Data = httpx.post(
            f"{self.url}{TURNS}/{request_id}/interrupt", timeout=TIMEOUT_S, trust_env=False
        ).json()
        return data

    @contextmanager
    def with_settings(self, configuration: str = "", **settings: str) -> Iterator["Gateway"]:
        """Run another Turnstile before the same laboratory, with other settings."""
        with gateway(self.lab, self.dialect, configuration, **settings) as other:
            yield other

    @contextmanager
    def _streaming(self, method: str, route: str, **options: Any) -> Iterator[Stream]:
        url = f"{self.url}{TURNS}{route}"
        with (
            httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client,
            client.stream(method, url, **options) as response,
        ):
            yield Stream(response, response.iter_raw())


@contextmanager
def gateway(
    lab: Laboratory, dialect: str, configuration: str = "", **settings: str
) -> Iterator[Gateway]:
    """Run Turnstile before a laboratory; without a configuration it offers the lab's MCP tools."""
    with TemporaryDirectory(prefix="turnstile-gateway-") as directory:
        file = Path(directory) / "turnstile.toml"
        file.write_text(configuration or lab.turnstile_configuration(), "utf-8")
        given = {"upstream_url": lab.url, "upstream_dialect": dialect, "config": str(file)}
        with served(**(given | settings)) as process:
            yield Gateway(lab, dialect, process)
