"""Real processes of the service behind a real nginx, which can be stopped and killed.

They share a Redis and the file of a database.

nginx runs with `deploy/nginx.conf`; only its addresses and places are others.
"""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest

from tests.support.faults.model_server import ModelServer, model_server
from tests.support.faults.readers import Reader
from tests.support.faults.socket_lines import OverSocket
from tests.support.redis_server import RedisServer, running_redis
from tests.support.server import ROOT, ServerProcess, served

NGINX = ROOT / "deploy" / "nginx.conf"
PATIENCE_S = 15.0
_POLL_S = 0.02
_SERVERS = re.compile(r"(?m)^( *server )\S+:\d+( .*;\n)(?:\1\S+:\d+ .*;\n)*")
_PLACES = "client_body_temp_path proxy_temp_path fastcgi_temp_path uwsgi_temp_path scgi_temp_path"


@dataclass(slots=True)
class Replica:
    """One process, always at the same address. `key` is what it tells the model server."""

    key: str
    port: int
    settings: dict[str, str]
    process: ServerProcess | None = None
    _held: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def dial(self) -> OverSocket:
        """The way to it that does not lead through nginx."""
        return OverSocket(self.url)

    @property
    def said(self) -> str:
        """What it has logged since it was started."""
        return self._running.said

    @property
    def pid(self) -> int:
        """The process."""
        return self._running._process.pid

    async def start(self) -> None:
        """Start it, at first or again."""
        self._held = ExitStack()
        context = served("--port", str(self.port), **self.settings)
        # The model server goes on meanwhile.
        self.process = await asyncio.to_thread(self._held.enter_context, context)

    def kill(self) -> None:
        """End it at once."""
        self._running.signal(signal.SIGKILL)
        self._over()

    def stop(self) -> None:
        """Let it stand still; its connections stay open."""
        self._running.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self) -> None:
        """Let it go on as if nothing had been."""
        self._running.signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Tell it to come to an end."""
        self._running.signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait until it has come to its end; returns its exit status."""
        status = await asyncio.to_thread(self._running.wait)
        self._over()
        return status

    async def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process is None:
            return
        self.go_on()
        self.terminate()
        self.terminate()
        await asyncio.to_thread(self._held.close)
        self.process = None

    @property
    def _running(self) -> ServerProcess:
        assert self.process is not None, "it does not run"
        return self.process

    def _over(self) -> None:
        self._held.close()
        self.process = None


@dataclass(slots=True)
class Replicas:
    """All of it. `dial` leads through nginx."""

    each: list[Replica]
    model: ModelServer
    redis: RedisServer
    url: str

    @property
    def dial(self) -> OverSocket:
        """The way that clients take."""
        return OverSocket(self.url)

    def reader(self, at: Replica | None = None, of: Reader | None = None) -> Reader:
        """Return a new reader, at a replica or through nginx, of the same turn as another one."""
        return Reader(at.dial if at else self.dial, of.request_id if of else "")

    async def owner(self, question: str) -> Replica:
        """Return the replica that has asked a question."""
        await until(lambda: bool(self.model.to(question)))
        [asked] = self.model.to(question)
        return next(each for each in self.each if each.key == asked.key)

    def others(self, than: Replica) -> list[Replica]:
        """Return the other replicas that run."""
        return [each for each in self.each if each is not than and each.process is not None]


async def until(seen: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    """Wait for something that nothing announces."""
    with anyio.fail_after(within_s):
        while not seen():  # noqa: ASYNC110 # it is in another process
            await anyio.sleep(_POLL_S)


@asynccontextmanager
async def replicas(
    count: int = 2, *, keeps: bool = False, **settings: str
) -> AsyncIterator[Replicas]:
    """Run so many replicas with all that they need; a Redis that `keeps` survives a restart."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As in `served`, which cannot do it in the threads that it runs in here.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(model_server())
        redis = stack.enter_context(running_redis(keeps=keeps))
        place = stack.enter_context(TemporaryDirectory(prefix="turnstile-replicas-"))
        shared = {"redis_url": redis.url, "database_url": f"sqlite:///{place}/turnstile.db"}
        common = {**shared, "upstream_url": model.url, **_SETTINGS, **settings}
        made = []
        for number, port in enumerate(_free_ports(count)):
            key = f"replica-{number}"
            made.append(Replica(key, port, {**common, "upstream_api_key": key}))
        stack.push_async_callback(_close, made)
        await asyncio.gather(*(each.start() for each in made))
        url = stack.enter_context(nginx([each.port for each in made]))
        yield Replicas(made, model, redis, url)


async def _close(made: Iterable[Replica]) -> None:
    # Also when the test is cancelled: no process may outlive it.
    with anyio.CancelScope(shield=True):
        await asyncio.gather(*(each.close() for each in made))


_SETTINGS = {
    "upstream_dialect": "responses",
    "moderation_by": "nobody",
    "redis_lease_s": "1.5",
    "retry_ms": "50",
    "drain_spread_s": "0.5",
    "log_format": "json",
}
"""What is fast enough to wait for."""


@contextmanager
def nginx(ports: Iterable[int], *, passes_upgrades: bool = False) -> Iterator[str]:
    """Run nginx in front of processes, and return its address."""
    with TemporaryDirectory(prefix="turnstile-nginx-") as name:
        [port] = _free_ports(1)
        place = Path(name)
        text = configured(NGINX.read_text(), port, ports, place)
        if passes_upgrades:
            text = _passing_upgrades(text)
        (place / "nginx.conf").write_text(text)
        command = [_program(), "-p", name, "-c", "nginx.conf", "-e", "stderr", "-g", _directives()]
        with (
            (place / "said").open("w+") as said,
            subprocess.Popen(command, stderr=said) as process,
        ):
            try:
                _wait_for(port, process, place / "said")
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


def configured(text: str, port: int, ports: Iterable[int], place: Path) -> str:
    """Return a configuration for other addresses, and with all its files in one place."""
    text, found = _SERVERS.subn(lambda match: _servers(match, ports), text)
    assert found == 1
    text, listens = re.subn(r"listen \d+;", f"listen 127.0.0.1:{port};", text)
    text, pids = re.subn(r"(?m)^pid .*;$", f"pid {place}/nginx.pid;", text)
    places = "".join(f"    {each} {place}/{each};\n" for each in _PLACES.split())
    text, https = re.subn(r"(?m)^http \{\n", f"http {{\n{places}", text)
    assert (listens, pids, https) == (1, 1, 1)
    return text


def _passing_upgrades(text: str) -> str:
    """Return a configuration that passes them on, as is usual for WebSockets."""
    text, headers = re.subn(
        r'(?m)^( *proxy_set_header) Connection "";$',
        r"\1 Upgrade $http_upgrade;\n\1 Connection $connection_upgrade;",
        text,
    )
    wanted = 'map $http_upgrade $connection_upgrade {\n default upgrade;\n "" "";\n}\n'
    text, https = re.subn(r"(?m)^http \{\n", f"http {{\n{wanted}", text)
    assert (headers, https) == (1, 1)
    return text


def _servers(match: re.Match[str], ports: Iterable[int]) -> str:
    return "".join(f"{match[1]}127.0.0.1:{each}{match[2]}" for each in ports)


def _program() -> str:
    """Only root has its folder on the path everywhere."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.fail("nginx is not installed; on Debian: apt-get install nginx-light")
    return found


def _directives() -> str:
    """Root would else give its work to a user who may not read the place."""
    return "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"


def _wait_for(port: int, process: subprocess.Popen[bytes], said: Path) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if process.poll() is not None:
                raise RuntimeError(said.read_text()) from None
            continue
        return


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in held]
