"""The scripted model, seen from a test."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

TIMEOUT_S = 10
POLL_S = 0.02

type Seen = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Model:
    """A scripted model that runs; `url` is its address without `/v1`."""

    url: str

    def requests(self, model: str | None = None) -> list[Seen]:
        """Return the chat requests that it saw, the oldest first; see `Observation.shown`."""
        query = {"model": model} if model else {}
        answer = httpx.get(f"{self.url}/lab/requests", params=query, trust_env=False)
        seen: list[Seen] = answer.raise_for_status().json()["requests"]
        return seen

    def forget(self) -> None:
        """Forget the requests seen so far."""
        httpx.delete(f"{self.url}/lab/requests", trust_env=False).raise_for_status()

    def wait_for(self, fits: Callable[[Seen], bool], timeout_s: float = TIMEOUT_S) -> Seen:
        """Wait for a request that fits, and return it."""
        deadline = time.monotonic() + timeout_s
        while True:
            seen = self.requests()
            for each in seen:
                if fits(each):
                    return each
            if time.monotonic() > deadline:
                raise TimeoutError(f"no such request in {timeout_s} s; seen: {seen}")
            time.sleep(POLL_S)

    def wait_for_cut(self, timeout_s: float = TIMEOUT_S) -> Seen:
        """Wait until a caller has closed the connection before the end of a reply."""
        return self.wait_for(lambda seen: bool(seen["cut"]), timeout_s)
