"""What the service adds to the time to the first byte, and how often it asks the upstream before.

The upstream answers at once and is measured alone too; what is left is the service, the client of
the benchmark, and the loopback. Times are medians in ms of warm turns, one after another.
"""

import statistics
import sys
import time

import httpx

from tests.support.prompt_server import prompt_server
from tests.support.server import served

TURNS = 100
LIMIT_MS = 5.0
ROUND_TRIPS_LIMIT = 2
SERVERS = {
    "agents": ("0.3.5", "/v1alpha/agents/a/session/s/turn"),
    "responses": ("0.7.3", "/v1/responses"),
}


def first_byte_ms(client: httpx.Client, url: str, body: dict[str, object]) -> tuple[float, str]:
    """Return the time to the first byte of one stream, and the conversation that it began."""
    begun = time.perf_counter()
    with client.stream("POST", url, json=body) as response:
        response.raise_for_status()
        parts = response.iter_raw()
        next(parts)
        taken = (time.perf_counter() - begun) * 1_000
        for _ in parts:
            pass
        return taken, response.headers.get("x-conversation-id", "")


def median_ms(client: httpx.Client, url: str, body: dict[str, object]) -> float:
    """Return the median of many streams, after some to warm up."""
    taken = [first_byte_ms(client, url, body)[0] for _ in range(TURNS + 10)]
    return statistics.median(taken[10:])


def measure(client: httpx.Client, name: str, upstream: str, path: str, url: str) -> bool:
    """Print what one API costs; tell whether it is within the limits."""
    turns = f"{url}/v1/streaming_query"
    query: dict[str, object] = {"query": "Hi"}
    _, conversation = first_byte_ms(client, turns, query)
    alone = median_ms(client, f"{upstream}{path}", {})
    stories = {
        "first turn, no shields": query | {"shield_ids": []},
        "later turn, no shields": query | {"shield_ids": [], "conversation_id": conversation},
        "later turn, an input shield": query | {"conversation_id": conversation},
    }
    fits = True
    for story, body in stories.items():
        median_ms(client, turns, body)
        before = client.get(f"{upstream}/count").json()
        taken = median_ms(client, turns, body)
        asked = (client.get(f"{upstream}/count").json() - before) / (TURNS + 10)
        own = taken - alone * asked
        within = own < LIMIT_MS and asked <= ROUND_TRIPS_LIMIT + 0.5
        fits = fits and within
        sign = "ok" if within else "over the limit"
        print(f"{name:10} {story:28} {taken:6.2f} ms  own {own:5.2f} ms  {asked:.1f} trips  {sign}")
    return fits


def main() -> None:
    """Measure both APIs; the exit status is 1 when one is over its limits."""
    fits = True
    for name, (version, path) in SERVERS.items():
        with (
            prompt_server(version) as upstream,
            served(upstream_url=upstream, log_level="warning") as service,
            httpx.Client() as client,
        ):
            fits = measure(client, name, upstream, path, service.url) and fits
    sys.exit(not fits)


if __name__ == "__main__":
    main()
