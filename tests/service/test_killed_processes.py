"""What a process leaves in the database when it is killed or told to stop."""

import signal
import time
from contextlib import suppress
from functools import partial

import httpx
import pytest

from tests.support.applications import TURNS, events, names
from tests.support.kept_turns import address, agrees, kept_turns, told
from tests.support.server import served

pytestmark = pytest.mark.slow

PLAYED = {"query": "What is a pod in Kubernetes?"}
LEASE = {
    "database_lease_s": "2.5",
    "database_checkpoint_s": "0.05",
    "database_timeout_s": "2",
}
PATIENCE_S = 15.0


@pytest.fixture
def path(tmp_path):
    """Return where the database is."""
    return tmp_path / "turnstile.db"


def until(seen):
    """Wait for something that another process does, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := seen()):
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)
    return found


def answered(path):
    """Return the only turn that a database holds when something of its answer is there."""
    rows = kept_turns(path)
    return rows[0] if rows and rows[0]["answer"] else None


def over(path):
    row = kept_turns(path)[0]
    return row if row["outcome"] else None


def test_a_process_that_is_killed_leaves_what_it_has_said(path):
    settings = {"database_url": address(path), "commit_wait_s": "0.01", **LEASE}
    with served("--speed", "1", **settings) as server:
        with httpx.stream("POST", f"{server.url}{TURNS}", json=PLAYED, timeout=30) as response:
            body = next(parts := response.iter_raw())
            until(partial(answered, path))
            server.signal(signal.SIGKILL)
            with suppress(httpx.TransportError):
                for part in parts:
                    body += part
        server.wait()
    before = kept_turns(path)[0]
    with served("--speed", "0", **settings) as server:
        row = until(partial(over, path))
        kept = f"/v1/conversations/{row['conversation_id']}"
        shown = httpx.get(f"{server.url}{kept}").json()["turns"][0]
        again = {**PLAYED, "conversation_id": row["conversation_id"]}
        goes_on = httpx.post(f"{server.url}{TURNS}", json=again)

    said = told(body[: body.rindex(b"\n\n") + 2])["answer"]
    assert before["outcome"] is None
    assert (row["outcome"], row["code"]) == ("error", "owner_lost")
    assert row["answer"] == before["answer"]
    assert said.startswith(row["answer"])
    assert (shown["answer"], shown["outcome"]) == (row["answer"], "error")
    assert names(goes_on.content)[-1] == "end"
    assert len(kept_turns(path)) == 2


def test_another_process_on_one_redis_tells_readers_what_it_stores(path, redis_server):
    shared = {"redis_url": redis_server.url, "redis_lease_s": "1", **LEASE}
    settings = {"database_url": address(path), "commit_wait_s": "0.01", **shared}
    with served("--speed", "1", **settings) as one, served("--speed", "0", **settings) as other:
        with httpx.stream("POST", f"{one.url}{TURNS}", json=PLAYED, timeout=30) as response:
            next(response.iter_raw())
            until(partial(answered, path))
            one.signal(signal.SIGKILL)
            one.wait()
        location = response.headers["content-location"]
        body = httpx.get(f"{other.url}{location}", timeout=30).content
        row = kept_turns(path)[0]

    assert events(body)[-1]["data"]["code"] == "owner_lost"
    assert events(body)[-1]["data"]["stored"] is True
    assert agrees(row, told(body))


def test_a_process_that_is_told_to_stop_stores_what_it_cuts(path):
    settings = {"database_url": address(path), "commit_wait_s": "0.01", "drain_timeout_s": "0.1"}
    with served("--speed", "0.2", **settings) as server:
        with httpx.stream("POST", f"{server.url}{TURNS}", json=PLAYED, timeout=30) as response:
            body = next(parts := response.iter_raw())
            server.signal(signal.SIGTERM)
            body += b"".join(parts)
        status = server.wait()

    assert (status, names(body)[-1]) == (0, "interrupted")
    assert events(body)[-1]["data"]["stored"] is True
    assert agrees(kept_turns(path)[0], told(body))
