"""Whom the benchmark measures: the service on either log, and the references."""

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from service.settings import setting_names
from tests.benchmarks.rig.processes import NotStarted, Process, free_port, started
from tests.benchmarks.rig.script import Script
from tests.support.server import clean_environment

_MANY = "10000"
_LIMITS = (
    "running_turns_limit",
    "upstream.connections_limit",
    "streams.limit",
    "streams.per_user_limit",
)
"""Settings that would stand in the way of many streams of one user."""

_NGINX = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream stack {{ server {upstream}; keepalive 100; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://stack;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            tcp_nodelay on;
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A process that is asked for streams; `terminal` is what each of them ends with."""

    name: str
    process: Process
    request: bytes
    terminal: bytes


@dataclass(frozen=True, slots=True)
class Bench:
    """Where targets run: `core` is theirs, `other` that of the upstream and the readers."""

    upstream: str
    script: Script
    core: int
    other: int
    directory: Path


type Starter = Callable[[Bench], AbstractContextManager[Target]]


@contextmanager
def memory(bench: Bench) -> Iterator[Target]:
    """The service; emissions are kept in its memory."""
    with _service(bench, "memory") as target:
        yield target


@contextmanager
def redis(bench: Bench) -> Iterator[Target]:
    """The service; emissions are kept in a Redis of its own, which is on the other core."""
    if "redis.url" not in dict(setting_names()):
        raise NotStarted("the service has no setting redis.url")
    port = free_port()
    options = {"port": str(port), "bind": "127.0.0.1", "save": "", "appendonly": "no"}
    command = [_program("redis-server"), "--dir", str(bench.directory)]
    for name, value in options.items():
        command += [f"--{name}", value]
    with started(command, port, bench.other, bench.directory) as server:
        server.wait_for_port()
        with _service(bench, "redis", redis_url=f"redis://127.0.0.1:{port}/0") as target:
            yield target


@contextmanager
def nginx(bench: Bench) -> Iterator[Target]:
    """One nginx, buffering off."""
    port, directory = free_port(), bench.directory / "nginx"
    directory.mkdir()
    upstream = bench.upstream.removeprefix("http://")
    file = directory / "nginx.conf"
    file.write_text(_NGINX.format(directory=directory, upstream=upstream, port=port), "utf-8")
    command = [_program("nginx"), "-p", str(directory), "-c", str(file), "-e", "stderr"]
    with started(command, port, bench.core, bench.directory) as process:
        process.wait_for_port()
        yield Target("nginx", process, _request(bench.script.path), bench.script.terminal)


@contextmanager
def passthrough(bench: Bench, server: str) -> Iterator[Target]:
    """Starlette and httpx."""
    reference = ("passthrough", server)
    with _reference(bench, reference, bench.script.path, bench.script.terminal) as target:
        yield target


@contextmanager
def usual(bench: Bench, server: str) -> Iterator[Target]:
    """The shape of a gateway as they are usually written."""
    if importlib.util.find_spec("fastapi") is None:
        raise NotStarted("fastapi is not installed (the extra `benchmark`)")
    reference = ("usual", server)
    with _reference(bench, reference, "/v1/streaming_query", b'"event": "end"') as target:
        yield target


STARTERS: dict[str, Starter] = {
    "memory": memory,
    "redis": redis,
    "passthrough": partial(passthrough, server="plain"),
    "fast-passthrough": partial(passthrough, server="fast"),
    "nginx": nginx,
    "usual": partial(usual, server="plain"),
    "fast-usual": partial(usual, server="fast"),
}


@contextmanager
def _service(bench: Bench, name: str, **settings: str) -> Iterator[Target]:
    known, port = dict(setting_names()), free_port()
    limits = {each.replace(".", "_"): _MANY for each in _LIMITS if each in known}
    options = ["--host", "127.0.0.1", "--port", str(port), "--upstream", bench.upstream]
    command = [sys.executable, "-m", "service", "serve", *options]
    environment = clean_environment(log_level="warning", **limits, **settings)
    with started(command, port, bench.core, bench.directory, environment) as process:
        process.wait_for_port()
        yield Target(name, process, _request("/v1/streaming_query"), b'"event":"end"')


@contextmanager
def _reference(
    bench: Bench, reference: tuple[str, str], path: str, terminal: bytes
) -> Iterator[Target]:
    (name, server), port = reference, free_port()
    command = [sys.executable, "-m", "tests.benchmarks.rig.references", name, str(port)]
    command += [bench.upstream, bench.script.dialect, server]
    with started(command, port, bench.core, bench.directory, clean_environment()) as process:
        process.wait_for_port()
        called = name if server == "plain" else f"{server}-{name}"
        yield Target(called, process, _request(path), terminal)


def _program(name: str) -> str:
    """Return where a program is; those of administrators are not on every path."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise NotStarted(f"{name} is not installed")
    return found


def _request(path: str) -> bytes:
    body = json.dumps({"query": "What is a pod in Kubernetes?"}).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
