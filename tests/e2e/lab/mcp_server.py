"""An MCP server with invented facts about a cluster, on streamable HTTP.

It is a script: it runs with the interpreter of a real server, whose environment has `mcp`.
"""

import argparse
import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from functools import wraps

import uvicorn

# Our own environment has neither, so mypy sees neither; a server has one of the two.
try:
    from mcp.server.mcpserver import Context, MCPServer  # type: ignore[import-not-found]  # mcp 2
except ModuleNotFoundError:
    from mcp.server.fastmcp import Context  # type: ignore[import-not-found]  # mcp 1
    from mcp.server.fastmcp import FastMCP as MCPServer

PODS = {
    "shop": (
        "NAME                       READY  STATUS            RESTARTS  AGE\n"
        "cart-5f6d8c7b9-8kzvp       1/1    Running           0         6d\n"
        "catalog-66b5d9f8c-tq4wn    0/1    CrashLoopBackOff  14        52m\n"
        "checkout-7c9d5b6f4-9hjrl   1/1    Running           0         2d\n"
        "checkout-7c9d5b6f4-m2xkq   1/1    Running           1         2d\n"
        "checkout-7c9d5b6f4-zp5tt   1/1    Running           0         2d\n"
        "redis-0                    1/1    Running           0         31d"
    ),
    "staging": (
        "NAME                       READY  STATUS            RESTARTS  AGE\n"
        "catalog-66b5d9f8c-wx2vd    1/1    Running           0         3h\n"
        "web-7f9c6d5b8-k2x7q        1/1    Running           0         3h"
    ),
}


async def list_pods(namespace: str) -> str:
    """List the pods of a namespace with status, restarts and age."""
    return PODS.get(namespace, f"no pods in {namespace}")


async def get_pod_log(namespace: str, pod: str) -> str:
    """Return the last lines of a pod's log."""
    return f"{namespace}/{pod}: cannot open /etc/catalog/prices.yaml: no such file"


async def get_service_status(namespace: str, service: str) -> str:
    """Return the health of a service: ready pods, error rate and response time."""
    return (
        f"service {namespace}/{service}: 3/3 pods ready, 3 endpoints\n"
        "error rate 15m: 0.02 %   p95: 180 ms   requests: 41.6/s\n"
        f"restarts 24h: {service}-7c9d5b6f4-m2xkq 1 (4h12m ago, exit code 1)"
    )


async def get_node_conditions(node: str) -> str:
    """Return the conditions of a node as the kubelet reports them."""
    return (
        f"node {node}: Ready=True MemoryPressure=False PIDPressure=False\n"
        "DiskPressure=True since 02:41 UTC (imagefs 91 % used, threshold 85 %)"
    )


async def get_node_metrics(node: str) -> str:
    """Return the current CPU and memory usage of a node."""
    message = f"the metrics API did not answer for {node}: 503 Service Unavailable"
    raise RuntimeError(message)


async def run_audit(seconds: float) -> str:
    """Audit the cluster, which takes the given number of seconds."""
    await asyncio.sleep(seconds)
    return f"audit finished after {seconds:g} s, no findings"


async def delete_finished_jobs(namespace: str, older_than_hours: int = 24) -> str:
    """Delete the jobs of a namespace that finished successfully."""
    return f"deleted 7 finished jobs in {namespace} older than {older_than_hours} h"


async def whoami(ctx: Context) -> str:
    """Return the credentials and the x- headers that this call came with."""
    headers = ctx.request_context.request.headers
    shown = {
        name: value
        for name, value in headers.items()
        if name == "authorization" or name.startswith("x-")
    }
    return json.dumps(shown, sort_keys=True)


TOOLS = (
    list_pods,
    get_pod_log,
    get_service_status,
    get_node_conditions,
    get_node_metrics,
    run_audit,
    delete_finished_jobs,
    whoami,
)


def slowly(tool: Callable[..., Awaitable[str]], pause_s: float) -> Callable[..., Awaitable[str]]:
    """Return a tool that takes its time."""

    @wraps(tool)
    async def call(*args: object, **named: object) -> str:
        await asyncio.sleep(pause_s)
        return await tool(*args, **named)

    return call


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pause-ms", type=float, default=0, help="pause before a result")
    options = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", options.port))
    server = MCPServer("cluster", log_level="WARNING")
    for tool in TOOLS:
        server.add_tool(slowly(tool, options.pause_ms / 1_000))
    config = uvicorn.Config(server.streamable_http_app(), log_level="warning")
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    print(f"The MCP server is at {address}", flush=True)  # noqa: T201
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
