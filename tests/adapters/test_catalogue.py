"""What servers of different versions are asked for, and what is made of their answers."""

import anyio
import pytest

from service.domain import Catalogue, Model
from service.errors import UpstreamError
from service.settings.groups import ModerationSettings
from tests.support.offered import STORES, listed, new_model, offered_by, old_model, shield, stores
from tests.support.stack import VERSION_HEADER, Answer, FakeStack, live, mocked, running, says

VERSIONS = ["0.2.22", "0.3.5", "0.7.3", "1.5.0"]
MODELS = (
    Model("vllm/small", "vllm", "small", generates=True),
    Model("vllm/guard", "vllm", "guard", generates=True, guards=True),
    Model("vllm/embed", "vllm", "embed", generates=False, kind="embedding"),
)


async def catalogue_of(stack, moderation=None, **settings):
    async with running(stack, moderation, **settings) as upstream:
        return await upstream.catalogue()


@pytest.mark.parametrize("version", VERSIONS[:3])
async def test_every_version_is_understood(version):
    catalogue = await catalogue_of(FakeStack(version))

    assert catalogue == Catalogue(MODELS, ("guard",), ("docs",))


async def test_a_server_without_shields_judges_nothing_unless_it_is_told_to():
    upstream_judges = ModerationSettings(by="upstream")
    models = (MODELS[0], Model("vllm/guard", "vllm", "guard", generates=True), MODELS[2])

    assert await catalogue_of(FakeStack("1.5.0")) == Catalogue(models, (), ("docs",))
    judged = await catalogue_of(FakeStack("1.5.0"), upstream_judges)
    assert judged.shields == ("guardrails",)


@pytest.mark.parametrize(
    ("by", "dialect", "shields"),
    [
        ("turnstile", "responses", ("guard",)),
        ("upstream", "responses", ("guard",)),
        ("nobody", "responses", ()),
        ("nobody", "agents", ("guard",)),
    ],
)
async def test_only_shields_that_somebody_asks_can_be_chosen(by, dialect, shields):
    catalogue = await catalogue_of(FakeStack("0.3.5"), ModerationSettings(by=by), dialect=dialect)

    assert catalogue.shields == shields


@pytest.mark.parametrize("version", VERSIONS)
async def test_five_requests_are_enough_and_none_names_our_version(version):
    stack = FakeStack(version)
    await catalogue_of(stack, api_key="secret")

    asked = {each.target for each in stack.asked}
    old = {"/v1/vector-dbs"} if version == "0.2.22" else set()
    paths = {"/v1/version", "/v1/models", "/v1/shields", "/v1/toolgroups", STORES}
    assert asked == paths | old
    assert {each.method for each in stack.asked} == {"GET"}
    assert all(VERSION_HEADER not in each.headers for each in stack.asked)
    assert {each.headers["authorization"] for each in stack.asked} == {"Bearer secret"}


async def test_without_a_key_nothing_is_authorised(monkeypatch):
    monkeypatch.setenv("LLAMA_STACK_CLIENT_API_KEY", "of the environment")
    stack = FakeStack()
    await catalogue_of(stack)

    assert all("authorization" not in each.headers for each in stack.asked)


async def test_a_server_may_be_below_a_path():
    stack = FakeStack(
        "0.7.3", {f"/stack{path}": value for path, value in offered_by("0.7.3").items()}
    )
    catalogue = await catalogue_of(stack, url="http://stack.test:8321/stack/")

    assert catalogue.models == MODELS


async def test_all_is_asked_for_at_the_same_time():
    stack, answered = FakeStack("0.3.5"), anyio.Event()

    def wait_for_the_others(_):
        if len(stack.asked) == 5:
            answered.set()
        return Answer(200, (answered, b'{"version": "0.3.5"}'))

    for path in ("/v1/version", "/v1/models", "/v1/shields", "/v1/toolgroups", STORES):
        stack.on("GET", path, wait_for_the_others)
    catalogue = await catalogue_of(stack)

    assert catalogue == Catalogue((), (), ())


@pytest.mark.parametrize("path", ["/v1/version", "/v1/models"])
async def test_some_lists_must_be_there(path):
    with pytest.raises(UpstreamError) as refused:
        await catalogue_of(FakeStack().on("GET", path))

    assert refused.value.code == "upstream_not_found"


@pytest.mark.parametrize("path", ["/v1/shields", "/v1/toolgroups", STORES])
@pytest.mark.parametrize("status", [401, 500])
async def test_a_list_that_is_there_must_be_readable(path, status):
    with pytest.raises(UpstreamError) as refused:
        await catalogue_of(FakeStack("0.3.5").on("GET", path, says({"detail": "no"}, status)))

    assert refused.value.status_code == 502


async def test_a_server_may_have_no_stores_of_either_kind():
    catalogue = await catalogue_of(FakeStack("0.2.22").on("GET", "/v1/vector-dbs"))

    assert catalogue.vector_stores == ()


async def test_databases_that_cannot_be_listed_are_a_failure():
    with pytest.raises(UpstreamError):
        await catalogue_of(FakeStack("0.2.22").on("GET", "/v1/vector-dbs", says({}, 500)))


async def test_pages_are_followed():
    first = stores("a", "b") | {"has_more": True}
    stack = FakeStack().on("GET", STORES, says(first))
    stack.on("GET", f"{STORES}&after=b", says(stores("c&d") | {"has_more": True}))
    stack.on("GET", f"{STORES}&after=c%26d", says(stores("e")))

    assert (await catalogue_of(stack)).vector_stores == ("a", "b", "c&d", "e")


async def test_a_first_page_that_comes_again_and_again_is_the_last():
    page = says(stores("a", "b") | {"has_more": True})
    stack = FakeStack().on("GET", STORES, page).on("GET", f"{STORES}&after=b", page)

    assert (await catalogue_of(stack)).vector_stores == ("a", "b")
    assert len(stack.to("GET", "/v1/vector_stores")) == 2


async def test_there_is_an_end_of_pages():
    stack = FakeStack().on("GET", STORES, says(stores("0") | {"has_more": True}))
    for number in range(60):
        page = stores(str(number + 1)) | {"has_more": True}
        stack.on("GET", f"{STORES}&after={number}", says(page))

    assert len((await catalogue_of(stack)).vector_stores) == 50


ODD = [None, [], {}, {"data": None}, {"data": [None, 7, {}]}, "text", 7, {"data": {"id": 1}}]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/shields", "/v1/toolgroups", STORES])
async def test_an_odd_list_is_an_empty_one(path, odd):
    catalogue = await catalogue_of(FakeStack("0.3.5").on("GET", path, says(odd)))

    assert () in (catalogue.models, catalogue.shields, catalogue.vector_stores) or "tool" in path


@pytest.mark.parametrize("odd", [None, [], {}, {"version": None}, {"version": "main"}, "0.3"])
async def test_a_server_that_does_not_tell_its_version_cannot_be_used(odd):
    with pytest.raises(UpstreamError) as refused:
        await catalogue_of(FakeStack().on("GET", "/v1/version", says(odd)))

    assert refused.value.code == "upstream_unexpected"


async def test_lists_may_be_bare():
    stack = FakeStack("0.3.5").on("GET", "/v1/models", says([old_model("small")]))
    stack.on("GET", "/v1/shields", says([shield("guard")])).on("GET", STORES, says([{"id": "a"}]))

    assert await catalogue_of(stack) == Catalogue(MODELS[:1], ("guard",), ("a",))


async def test_what_a_list_leaves_out_has_a_default():
    bare = {"id": "vllm/bare", "object": "model", "custom_metadata": None}
    stack = FakeStack().on("GET", "/v1/models", says(listed(bare, {"id": 7}, new_model("small"))))
    catalogue = await catalogue_of(stack)

    assert catalogue.models == (Model("vllm/bare", "vllm", "vllm/bare", generates=True), MODELS[0])


async def test_an_answer_may_say_that_it_is_something_else():
    models = Answer(200, (b'{"data": [{"identifier": "vllm/small"}]}',), "text/plain")
    catalogue = await catalogue_of(FakeStack().on("GET", "/v1/models", models))

    assert [each.model_id for each in catalogue.models] == ["vllm/small"]


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"[" * 100_000, b'{"data": ['])
async def test_an_answer_that_is_no_json_is_an_error(body):
    with pytest.raises(UpstreamError) as refused:
        await catalogue_of(FakeStack().on("GET", "/v1/models", Answer(200, (body,))))

    assert (refused.value.code, refused.value.status_code) == ("upstream_not_json", 502)


async def test_nothing_can_be_asked_before_or_after():
    connection = live()._connection
    with pytest.raises(UpstreamError) as early:
        await connection.get("/v1/version")
    async with mocked(FakeStack()), connection.running():
        await connection.get("/v1/version")
    with pytest.raises(UpstreamError) as late:
        await connection.get("/v1/version")

    assert early.value.code == late.value.code == "upstream_closed"
