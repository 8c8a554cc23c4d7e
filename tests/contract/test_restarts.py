"""An orderly stop takes nothing away that the next process goes on with, by either API."""

import pytest

from tests.contract.test_refused_answers import ANSWER, ASKED, by_agents, by_responses
from tests.support.agent_server import AgentServer
from tests.support.kept_turns import on_file
from tests.support.live_applications import live_application


@pytest.mark.parametrize("play", [by_agents, by_responses])
async def test_a_turn_that_waits_can_be_answered_after_a_restart(play, tmp_path):
    server, kept = play(), on_file(tmp_path / "turnstile.db")
    async with live_application(server, **kept) as app:
        turn = await app.turn(**ASKED)
    deleted = server.to("DELETE")

    async with live_application(server, **kept) as app:
        status, told = await app.answer(turn, **ANSWER)

    assert (turn[1][-1]["event"], deleted) == ("awaiting_input", [])
    assert (status, told[-1]["event"]) == (200, "end")


async def test_a_conversation_goes_on_in_its_session_after_a_restart(tmp_path):
    server, kept = AgentServer(), on_file(tmp_path / "turnstile.db")
    for _ in range(2):
        async with live_application(server, **kept) as app:
            first = await app.turn()

    async with live_application(server, **kept) as app:
        await app.goes_on(first)

    turns = [each.target for each in server.to("POST") if each.target.endswith("/turn")]
    assert turns[-1] == turns[-2] == server.turn(2, 2)
    assert server.to("DELETE") == []
