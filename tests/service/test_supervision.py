"""What runs beside the turns goes on after a bug."""

import anyio
import pytest

from service import supervision
from service.supervision import kept_running


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(supervision, "_PAUSE_S", 0.001)


async def test_a_task_that_has_failed_runs_again_and_that_is_logged(log):
    runs = 0
    again = anyio.Event()

    async def fail_once():
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ZeroDivisionError
        again.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept_running, fail_once)
        with anyio.fail_after(5):
            await again.wait()
        tasks.cancel_scope.cancel()

    assert [each["event"] for each in log if each["log_level"] == "error"] == ["task.crashed"]


async def test_a_task_that_is_cancelled_ends():
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept_running, anyio.sleep_forever)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
