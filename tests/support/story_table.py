"""The table of stories: what both APIs send, and the events that both must come to."""

import httpx

from tests.support import agents_chunks as agents
from tests.support import responses_chunks as responses
from tests.support.stories import (
    ARGUMENTS,
    OBJECTED,
    OPENED,
    PASSED,
    PIECES,
    Story,
    agent_calls,
    agent_runs,
    agent_shield,
    answers_in_agents,
    answers_in_responses,
    message_says,
    model_says,
    response_calls,
    response_runs,
)

HALF = ("A pod ", "is a ")
WHOLE = (*HALF, "box.")
TOOL = {"name": "get_weather", "description": "", "parameters": {"type": "object"}}
FUNCTION = {
    "type": "function_call",
    "id": "f1",
    "call_id": "c1",
    "name": "get_weather",
    "arguments": ARGUMENTS,
}
WEATHER = agents.response("c1", "Sunny.")
BROKEN = agents.response("c1", "Error executing tool get_weather: no such city")

CALL = ("tool_call_delta", "tool_call_delta", "tool_call", "tool_result")
ASKED = ("start", "tool_call_delta", "tool_call_delta", "awaiting_input")
END = ("turn_complete", "end")

SEARCHED = '{"query": "pods"}'
FOUND = {
    "call_id": "c1",
    "tool_name": "knowledge_search",
    "content": [
        {"type": "text", "text": "knowledge_search tool found 1 chunks:\nBEGIN of results.\n"},
        {
            "type": "text",
            "text": "Result 1\nContent: A pod is a box.\n"
            "Metadata: {'document_id': 'doc1', 'title': 'Pods', 'docs_url': 'http://d.test/p'}\n",
        },
        {"type": "text", "text": "END of results.\n"},
    ],
    "metadata": {"document_ids": ["doc1"], "chunks": ["A pod is a box."], "scores": [0.5]},
}
RESULT = {
    "file_id": "doc1",
    "filename": "doc1",
    "score": 0.5,
    "text": "A pod is a box.",
    "attributes": {"document_id": "doc1", "title": "Pods", "docs_url": "http://d.test/p"},
}
SEARCH = {"queries": ["pods"], "status": "completed"}
FILE_SEARCH = (
    *(responses.arguments("c1", piece) for piece in ('{"query": ', '"pods"}')),
    responses.arguments_done("c1", SEARCHED, "function_call_arguments"),
    responses.item_added("c1", "file_search_call", queries=[SEARCHED], results=None),
    responses.chunk("file_search_call.in_progress", item_id="c1"),
    responses.chunk("file_search_call.searching", item_id="c1"),
    responses.chunk("file_search_call.completed", item_id="c1"),
    responses.item_done("c1", "file_search_call", **SEARCH, results=[RESULT]),
)

FAILED = responses.ended("failed", error={"code": "server_error", "message": "boom"})
CUT = responses.ended(
    "incomplete",
    responses.message(responses.said("".join(HALF))),
    incomplete_details={"reason": "length"},
)

STORIES = {
    "text": Story(
        agents=(answers_in_agents(*WHOLE),),
        responses=((*OPENED, *answers_in_responses(*WHOLE)),),
        events=("start", "token", "token", "token", *END),
    ),
    "nothing said": Story(
        agents=(answers_in_agents(),),
        responses=((*OPENED, *answers_in_responses()),),
        events=("start", *END),
    ),
    "retrieval": Story(
        agents=(
            (
                *agent_calls("knowledge_search", SEARCHED, '{"query": ', '"pods"}'),
                *agent_runs("knowledge_search", SEARCHED, FOUND),
                *answers_in_agents("A box.", step_id="s3"),
            ),
        ),
        responses=((*OPENED, *FILE_SEARCH, *answers_in_responses("A box.")),),
        events=("start", *CALL, "token", *END),
    ),
    "a tool": Story(
        agents=(
            (
                *agent_calls("get_weather", ARGUMENTS, *PIECES),
                *agent_runs("get_weather", ARGUMENTS, WEATHER),
                *answers_in_agents("Sunny.", step_id="s3"),
            ),
        ),
        responses=(
            (
                *OPENED,
                *response_calls(*PIECES),
                *response_runs("get_weather", output="Sunny.", error=None),
                *answers_in_responses("Sunny."),
            ),
        ),
        events=("start", *CALL, "token", *END),
    ),
    "a tool that fails": Story(
        agents=(
            (
                *agent_calls("get_weather", ARGUMENTS, *PIECES),
                *agent_runs("get_weather", ARGUMENTS, BROKEN),
                *answers_in_agents("Sorry.", step_id="s3"),
            ),
        ),
        responses=(
            (
                *OPENED,
                *response_calls(*PIECES),
                *response_runs("get_weather", output=None, error=BROKEN["content"]),
                *answers_in_responses("Sorry."),
            ),
        ),
        events=("start", *CALL, "token", *END),
    ),
    "the question passes": Story(
        agents=((*agent_shield("s0", "user-input"), *answers_in_agents(*WHOLE)),),
        responses=((*OPENED, *answers_in_responses(*WHOLE)),),
        shields=("guard",),
        judged=(PASSED,),
        events=("start", "shield", "token", "token", "token", *END),
    ),
    "the question is refused": Story(
        agents=(
            (
                *agent_shield("s0", "user-input", agents.violation()),
                agents.turn_complete("I can't answer that."),
            ),
        ),
        responses=(),
        shields=("guard",),
        judged=(OBJECTED,),
        events=("start", "shield", *END),
    ),
    "the answer passes": Story(
        agents=(
            (
                *model_says(*WHOLE),
                *agent_shield("s2", "assistant-output"),
                agents.turn_complete("".join(WHOLE)),
            ),
        ),
        responses=((*OPENED, *answers_in_responses(*WHOLE)),),
        shields=("output_guard",),
        judged=(PASSED,),
        events=("start", "token", "token", "token", "shield", *END),
    ),
    "the answer is refused": Story(
        agents=(
            (
                *model_says(*WHOLE),
                *agent_shield("s2", "assistant-output", agents.violation()),
                agents.turn_complete("I can't answer that."),
            ),
        ),
        responses=((*OPENED, *answers_in_responses(*WHOLE)),),
        shields=("output_guard",),
        judged=(OBJECTED,),
        events=("start", "token", "token", "token", "shield", *END),
    ),
    "a client tool": Story(
        agents=(
            (
                *agent_calls("get_weather", ARGUMENTS, *PIECES),
                agents.awaiting(agents.call("c1", "get_weather", ARGUMENTS)),
            ),
            (
                agents.tool_complete("s1", WEATHER),
                *answers_in_agents("Sunny.", step_id="s3"),
            ),
        ),
        responses=(
            (
                *OPENED,
                responses.item_added(**{**FUNCTION, "item_id": "f1", "kind": "function_call"}),
                *(responses.arguments("f1", piece) for piece in PIECES),
                responses.arguments_done("f1", ARGUMENTS, "function_call_arguments"),
                responses.completed(FUNCTION),
            ),
            (*OPENED, *answers_in_responses("Sunny.")),
        ),
        request={"client_tools": [TOOL]},
        answers={"tool_results": [{"call_id": "c1", "content": "Sunny."}]},
        events=(*ASKED, "start", "tool_result", "token", *END),
    ),
    "the model fails": Story(
        agents=((*model_says(*HALF)[:-1], agents.error("500: Internal server error: boom")),),
        responses=((*OPENED, *message_says(*HALF)[:-1], FAILED),),
        events=("start", "token", "token", "error"),
    ),
    "the model fails at once": Story(
        agents=((agents.step_start("s1"), agents.error("500: Internal server error: boom")),),
        responses=((*OPENED, FAILED),),
        events=("http 502",),
    ),
    "the model is rate limited": Story(
        agents=((agents.step_start("s1"), agents.error("429: slow down")),),
        responses=((*OPENED, {"error": {"message": "slow down", "code": "429"}}),),
        events=("http 429",),
    ),
    "the model is not there": Story(
        agents=((agents.step_start("s1"), agents.error("404: Model 'x' not found.")),),
        responses=((*OPENED, {"error": {"message": "Model 'x' not found.", "code": "404"}}),),
        events=("http 404",),
    ),
    "the answer is too long": Story(
        agents=(
            (
                *model_says(*HALF)[:-1],
                agents.inference_complete("s1", "out_of_tokens"),
                agents.turn_complete("".join(HALF), "out_of_tokens"),
            ),
        ),
        responses=((*OPENED, *message_says(*HALF), CUT),),
        events=("start", "token", "token", *END),
    ),
    "the body ends early": Story(
        agents=(model_says(*HALF)[:-1],),
        responses=((*OPENED, *message_says(*HALF)[:-1]),),
        events=("start", "token", "token", "error"),
    ),
    "the connection is lost": Story(
        agents=((*model_says(*HALF)[:-1], httpx.ReadError("reset")),),
        responses=((*OPENED, *message_says(*HALF)[:-1], httpx.ReadError("reset")),),
        events=("start", "token", "token", "error"),
    ),
}
