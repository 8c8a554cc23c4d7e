"""The requests of a turn on servers that drive agent turns themselves."""

import json

import pytest

from service.domain import Attachment, ClientTool
from service.errors import UpstreamError
from statemachine import OutputModeration, Release, TurnStarted
from tests.support.agent_server import AgentServer
from tests.support.plans import mcp_server, payloads_of, plan
from tests.support.stack import VERSION_HEADER, running, says, streams
from tests.support.upstreams import answer

CONFIG = {
    "model": "vllm/small",
    "instructions": "Be brief.",
    "input_shields": [],
    "output_shields": [],
    "max_infer_iters": 10,
    "sampling_params": {"strategy": {"type": "greedy"}, "max_tokens": None},
    "enable_session_persistence": True,
    "name": "turnstile",
}
QUESTION = {"stream": True, "messages": [{"role": "user", "content": "What is a pod?"}]}
TOOL = ClientTool(
    "get_pods",
    "Lists pods.",
    {
        "type": "object",
        "properties": {"namespace": {"type": "string", "description": "Where."}, "odd": True},
        "required": ["namespace"],
    },
)
TOOL_SENT = {
    "name": "get_pods",
    "description": "Lists pods.",
    "input_schema": dict(TOOL.parameters),
    "parameters": [
        {
            "name": "namespace",
            "parameter_type": "string",
            "description": "Where.",
            "required": True,
        }
    ],
}
SEARCH = {"name": "builtin::rag/knowledge_search", "args": {"vector_db_ids": ["docs"]}}


async def sent(planned, server=None, **settings):
    """Run one turn, and return the server that was asked."""
    server = server or AgentServer()
    async with running(server, **settings) as upstream:
        await payloads_of(upstream.prepare(planned))
    return server


@pytest.mark.parametrize(
    ("version", "root"), [("0.2.22", "/v1/agents"), ("0.3.5", "/v1alpha/agents")]
)
async def test_a_first_turn_makes_an_agent_and_a_session(version, root):
    server = await sent(plan(), AgentServer(version))

    assert [(each.target, each.body) for each in server.to("POST")] == [
        (root, {"agent_config": CONFIG}),
        (f"{root}/a1/session", {"session_name": "turnstile"}),
        (f"{root}/a1/session/s1/turn", QUESTION),
    ]


async def test_no_request_names_our_version_and_all_have_the_key():
    server = await sent(plan(), api_key="secret")

    posts = server.to("POST")
    assert all(VERSION_HEADER not in each.headers for each in posts)
    assert {each.headers["authorization"] for each in posts} == {"Bearer secret"}
    assert posts[-1].headers["accept"] == "text/event-stream"
    assert all("x-llamastack-provider-data" not in each.headers for each in posts)


async def test_the_payloads_come_as_they_are_on_the_wire():
    async with running(AgentServer()) as upstream:
        turn = upstream.prepare(plan())
        payloads = await payloads_of(turn)
        async with turn.open() as body:
            opening = body.opening

    assert payloads == [json.dumps(each).encode() for each in answer("Hi")]
    assert (opening, turn.server, turn.recording) == (TurnStarted(), "Llama Stack 0.3.5", None)
    assert (turn.decoder.dialect, turn.moderation, turn.moderator) == ("agents", None, None)


async def test_a_body_may_be_empty():
    server = AgentServer().turns(1, 1, streams())
    async with running(server) as upstream:
        assert await payloads_of(upstream.prepare(plan())) == []


async def test_an_agent_fixes_model_instructions_and_shields():
    planned = plan(system_prompt="Sing.", input_shields=("a",), output_shields=("b", "c"))
    server = await sent(planned, iterations_limit=3)

    fixed = {"instructions": "Sing.", "input_shields": ["a"], "output_shields": ["b", "c"]}
    assert server.created() == [CONFIG | fixed | {"max_infer_iters": 3}]


async def test_without_a_choice_of_models_the_server_has_to_say_no():
    assert (await sent(plan(model=None))).created() == [CONFIG | {"model": ""}]


async def test_documents_are_text_under_their_labels():
    attached = (
        Attachment("log", "application/xml", "<a/>"),
        Attachment("event", "text/plain", "Boom"),
    )
    server = await sent(plan(attachments=attached))

    (body,) = server.bodies(server.turn())
    (message,) = body["messages"]
    assert message["content"].endswith(
        "?\n\n[Attachment: log, application/xml]\n<a/>\n\n\n[Attachment: event, text/plain]\nBoom\n"
    )
    assert "documents" not in body


async def test_tools_of_the_server_are_given_per_turn():
    planned = plan(vector_stores=("docs",), mcp_servers=(mcp_server(url="http://known.test/mcp"),))
    server = await sent(planned)

    (body,) = server.bodies(server.turn())
    assert body == QUESTION | {"toolgroups": [SEARCH, "mcp::known"]}
    assert server.created() == [CONFIG]


async def test_client_tools_are_in_the_agent_and_then_the_others_are_too():
    """A resume knows the agent's own groups only."""
    server = await sent(plan(vector_stores=("docs",), client_tools=(TOOL,)))

    (body,) = server.bodies(server.turn())
    assert body == QUESTION | {"toolgroups": [SEARCH]}
    tools = {"client_tools": [TOOL_SENT], "toolgroups": [SEARCH]}
    assert server.created() == [CONFIG | tools]


@pytest.mark.parametrize(
    "schema", [{}, {"properties": None}, {"properties": [1]}, {"required": 7, "properties": {}}]
)
async def test_the_schema_of_a_client_tool_may_be_odd(schema):
    server = await sent(plan(client_tools=(ClientTool("odd", "", schema),)))

    (config,) = server.created()
    described = {"name": "odd", "description": "", "input_schema": schema, "parameters": []}
    assert config["client_tools"] == [described]


async def test_headers_go_to_their_own_servers_only():
    one, two = (mcp_server(each, f"http://{each}.test/mcp", **{"x-key": each}) for each in "aé")
    silent = mcp_server("c", "http://c.test/mcp")
    server = AgentServer().on("POST", "/v1/toolgroups", says(None))
    await sent(plan(mcp_servers=(one, two, silent)), server)

    *others, turn = server.to("POST")
    data = json.loads(turn.headers["x-llamastack-provider-data"])
    assert data == {
        "mcp_headers": {"http://a.test/mcp": {"x-key": "a"}, "http://é.test/mcp": {"x-key": "é"}}
    }
    assert all("x-llamastack-provider-data" not in each.headers for each in others)


async def test_half_a_surrogate_pair_does_not_break_a_request():
    server = await sent(plan("What is \ud83d?"))

    (body,) = server.bodies(server.turn())
    assert body["messages"] == [{"role": "user", "content": "What is ??"}]


async def test_a_tool_that_needs_an_approval_is_left_out_and_the_log_says_so_once(log):
    server = AgentServer()
    planned = plan(mcp_servers=(mcp_server(approval=True),))
    async with running(server) as upstream:
        for _ in range(2):
            await payloads_of(upstream.prepare(planned))

    assert server.bodies(server.turn()) == [QUESTION]
    (warned,) = [each for each in log if each["event"] == "mcp_server.left_out"]
    assert warned["server"] == "lab"


async def test_an_agent_judges_its_answer_when_all_was_said():
    async with running(AgentServer()) as upstream:
        turn = upstream.prepare(plan(output_shields=("a",)))

    assert turn.moderation == OutputModeration(None, Release.AT_ONCE)


@pytest.mark.parametrize("odd", [None, [], {}, {"agent_id": None}, {"agent_id": ""}, "a1", 7])
async def test_an_agent_without_an_id_is_an_error(odd):
    server = AgentServer()
    server.on("POST", server.root, says(odd))
    with pytest.raises(UpstreamError) as refused:
        await sent(plan(), server)

    assert (refused.value.code, refused.value.status_code) == ("upstream_unexpected", 502)


async def test_a_session_without_an_id_is_an_error():
    server = AgentServer().on("POST", "/v1alpha/agents/a1/session", says({"session_id": 7}))
    with pytest.raises(UpstreamError) as refused:
        await sent(plan(), server)

    assert refused.value.code == "upstream_unexpected"


async def test_a_turn_needs_the_catalogue_first():
    async with running(AgentServer()) as upstream:
        upstream._offer = None
        with pytest.raises(UpstreamError) as refused:
            upstream.prepare(plan())

    assert refused.value.code == "upstream_unexpected"


@pytest.mark.parametrize(("dialect", "version"), [("agents", "0.7.3"), ("responses", "0.3.5")])
async def test_a_setting_has_the_last_word_on_the_api(dialect, version):
    async with running(AgentServer(version), dialect=dialect) as upstream:
        assert upstream.prepare(plan()).decoder.dialect == dialect
