"""The catalogue is kept for a while, and asked for once for all who need it."""

import anyio
import pytest

from service.errors import UpstreamError
from service.upstream.catalogue import fetch_offer
from tests.support.offered import listed, new_model
from tests.support.stack import Answer, FakeStack, held, live, mocked, running, says

MODELS = "/v1/models"
NEWER = says(listed(new_model("newer")))
BROKEN = says({"detail": "broken"}, 500)


def asked(stack):
    return len(stack.to("GET", MODELS))


async def ask_often(upstream, *, renew=False):
    """Let many ask at once, and return what they got: a catalogue or an error."""
    found = []

    async def ask():
        try:
            found.append(await upstream.catalogue(renew=renew))
        except UpstreamError as failed:
            found.append(failed.code)

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(ask)
    return found


async def test_it_is_kept_for_a_while():
    stack = FakeStack()
    async with running(stack) as upstream:
        first = await upstream.catalogue()
        second = await upstream.catalogue()

    assert first == second
    assert asked(stack) == 1


async def test_it_is_asked_for_again_after_its_time():
    stack = FakeStack().on("GET", MODELS, says(listed()), NEWER)
    async with running(stack) as upstream:
        upstream._offers._expires_at = -1e9
        catalogue = await upstream.catalogue()

    assert [each.name for each in catalogue.models] == ["newer"]


async def test_it_can_be_renewed_before():
    stack = FakeStack().on("GET", MODELS, says(listed()), NEWER)
    async with running(stack) as upstream:
        catalogue = await upstream.catalogue(renew=True)

    assert [each.name for each in catalogue.models] == ["newer"]


async def test_many_who_ask_at_once_wait_for_the_same_answer():
    stack, upstream = FakeStack(), live()
    async with mocked(stack), held(upstream):
        found = await ask_often(upstream)

    assert len(found) == 50
    assert len(set(map(repr, found))) == 1
    assert asked(stack) == 1


async def test_many_who_renew_at_once_wait_for_the_same_answer():
    stack = FakeStack().on("GET", MODELS, says(listed()), NEWER)
    async with running(stack) as upstream:
        found = await ask_often(upstream, renew=True)

    assert {each.models[0].name for each in found} == {"newer"}
    assert asked(stack) == 2


async def test_many_who_wait_for_a_failure_get_it_at_once():
    """A server that hangs would else let one after another wait for its whole time."""
    stack, upstream = FakeStack().on("GET", MODELS, BROKEN), live()
    async with mocked(stack), held(upstream):
        found = await ask_often(upstream)

    assert set(found) == {"upstream_error"}
    assert asked(stack) == 1


async def test_after_a_failure_the_next_one_asks_again():
    stack, upstream = FakeStack().on("GET", MODELS, BROKEN, NEWER), live()
    async with mocked(stack), held(upstream):
        with pytest.raises(UpstreamError):
            await upstream.catalogue()
        catalogue = await upstream.catalogue()

    assert [each.name for each in catalogue.models] == ["newer"]


async def test_an_old_one_is_better_than_none(log):
    stack = FakeStack().on("GET", MODELS, NEWER, BROKEN)
    async with running(stack) as upstream:
        catalogue = await upstream.catalogue(renew=True)
        await upstream.catalogue()

    assert [each.name for each in catalogue.models] == ["newer"]
    assert asked(stack) == 2, "the failed renewal counts as one"
    (warned,) = [each for each in log if each["event"] == "catalogue.not_renewed"]
    assert (warned["code"], warned["log_level"]) == ("upstream_error", "warning")


async def test_who_gives_up_leaves_the_asking_to_the_next():
    stack, upstream = FakeStack().on("GET", MODELS, anyio.Event(), NEWER), live()
    async with mocked(stack), held(upstream):
        async with anyio.create_task_group() as impatient:
            impatient.start_soon(upstream.catalogue)
            await anyio.wait_all_tasks_blocked()
            impatient.cancel_scope.cancel()
        catalogue = await upstream.catalogue()

    assert [each.name for each in catalogue.models] == ["newer"]


async def test_a_bug_of_ours_is_not_wrapped():
    """A group of exceptions would fit no handler."""

    class Broken:
        async def get(self, path):
            raise ZeroDivisionError(path)

    with pytest.raises(ZeroDivisionError):
        await fetch_offer(Broken())


async def test_a_server_that_was_upgraded_is_asked_in_its_new_way():
    old = Answer(200, (b'{"version": "0.2.22"}',))
    stack = FakeStack("0.3.5").on("GET", "/v1/version", old, says({"version": "0.3.5"}))
    async with running(stack) as upstream:
        before = upstream._sessions.root
        await upstream.catalogue(renew=True)

        assert (before, upstream._sessions.root) == ("/v1/agents", "/v1alpha/agents")


async def test_an_old_one_is_used_while_a_new_one_is_asked_for():
    """A server whose lists hang must not make turns wait that know them."""
    answered = anyio.Event()
    stack = FakeStack().on("GET", MODELS, says(listed()), answered, NEWER)
    async with running(stack) as upstream:
        known = await upstream.catalogue()
        upstream._offers._expires_at = anyio.current_time() - 0.001
        with anyio.fail_after(1):
            assert await ask_often(upstream) == [known] * 50

    assert asked(stack) == 2


async def test_one_that_is_very_old_is_waited_for():
    stack = FakeStack().on("GET", MODELS, says(listed()), NEWER)
    async with running(stack) as upstream:
        known = await upstream.catalogue()
        upstream._offers._expires_at = anyio.current_time() - 10 * upstream._offers.ttl_s

        assert await upstream.catalogue() != known
