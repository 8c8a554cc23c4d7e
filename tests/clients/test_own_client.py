"""Our own client before a running service."""

from tests.clients.conftest import Run
from tests.clients.own import of_kind, payloads_of, proof_of, read
from tests.support.cutting_proxy import UNHEARD, cutting_proxy
from tests.support.left_turns import QUERY, started, undisturbed
from tests.support.server import ServerProcess

QUESTION = {"query": QUERY}
SOME_CUTS = [700, UNHEARD, 2_000, 60, 0, 5_000, 900, 901, 1_500]
EVERYWHERE = [300, *range(0, 450, 4)]


def expected(service: str, told: list[dict[str, object]]) -> list[str]:
    """Return what the turn that was read is for everybody else."""
    (start,) = [each["data"] for each in of_kind(told, "event") if each["event"] == "start"]
    path = f"/v1/streaming_query/{start['request_id']}"
    return [message.data for message in undisturbed(service, path)]


async def test_a_question_is_answered_whole_and_proved(run: Run, service: str) -> None:
    async with cutting_proxy(service) as proxy:
        told = await read(run, proxy.url, body=QUESTION)

    assert payloads_of(told) == expected(service, told)
    assert proof_of(told)["whole"]
    assert proof_of(told)["digest"] == "verified"
    assert len(proxy.passages) == 1
    assert proxy.heartbeats > 0


async def test_a_question_whose_answer_is_cut_again_and_again_is_answered_whole(
    run: Run, service: str
) -> None:
    async with cutting_proxy(service, SOME_CUTS, resets=True) as proxy:
        told = await read(run, proxy.url, body=QUESTION)

    assert payloads_of(told) == expected(service, told)
    assert proof_of(told)["whole"]
    assert [each.method for each in proxy.passages] == ["POST"] + ["GET"] * len(SOME_CUTS)


async def test_a_service_that_rotates_its_readers_costs_them_nothing(
    run: Run, rotating_service: str
) -> None:
    told = await read(run, rotating_service, body=QUESTION, options={"maxTries": 1})

    assert payloads_of(told) == expected(rotating_service, told)
    assert proof_of(told)["whole"]
    assert len(of_kind(told, "lost")) > 3
    assert {each["reason"] for each in of_kind(told, "lost")} == {"rotated"}


async def test_no_byte_is_a_bad_one_to_cut_after(run: Run, service: str) -> None:
    turn = started(service)
    whole = [message.data for message in undisturbed(service, turn.path)]
    patient = {"maxTries": 1_000, "maxDelayMs": 2}

    async with cutting_proxy(service, EVERYWHERE) as proxy:
        told = await read(run, proxy.url, follow=turn.request_id, options=patient)

    assert payloads_of(told) == whole
    assert proof_of(told)["whole"]


async def test_a_question_that_is_lost_again_and_again_starts_one_turn(
    run: Run, own_service: ServerProcess
) -> None:
    lost = [UNHEARD, UNHEARD, 0, 20]

    async with cutting_proxy(own_service.url, lost, resets=True) as proxy:
        told = await read(run, proxy.url, body=QUESTION, options={"retryMs": 1})

    asked = [each for each in proxy.passages if each.method == "POST"]
    assert len(asked) > 2
    assert len({each.header("Idempotency-Key") for each in asked}) == 1
    assert payloads_of(told) == expected(own_service.url, told)
    assert of_kind(told, "open")[0]["replayed"]
    assert own_service.said.count("turn.ended") == 1


async def test_a_key_that_was_kept_joins_the_turn_that_it_has_started(
    run: Run, service: str
) -> None:
    kept = {"idempotencyKey": "kept-by-the-page"}

    first = await read(run, service, body=QUESTION, options=kept)
    second = await read(run, service, body=QUESTION, options=kept)

    assert payloads_of(second) == payloads_of(first)
    assert not of_kind(first, "open")[0]["replayed"]
    assert of_kind(second, "open")[0]["replayed"]


async def test_a_turn_that_is_stopped_ends_so_and_is_proved(run: Run, slow_service: str) -> None:
    told = await read(run, slow_service, body=QUESTION, stopAt=20)

    (stopped,) = of_kind(told, "stopped")
    assert stopped["ok"]
    assert told[-1]["terminal"] == "interrupted"
    assert 20 < proof_of(told)["events"] < 300
    assert proof_of(told)["whole"]
    assert payloads_of(told) == expected(slow_service, told)


async def test_a_turn_is_stopped_as_soon_as_it_has_a_number(run: Run, slow_service: str) -> None:
    told = await read(run, slow_service, body=QUESTION, stopAt=0)

    assert told[-1]["terminal"] == "interrupted"
    assert proof_of(told)["whole"]


async def test_a_stop_reaches_a_turn_whose_connection_is_gone(run: Run, slow_service: str) -> None:
    async with cutting_proxy(slow_service, [2_000, 0, 0]) as proxy:
        told = await read(run, proxy.url, body=QUESTION, stopAt=5)

    assert told[-1]["terminal"] == "interrupted"
    assert proof_of(told)["whole"]


async def test_a_byte_that_was_changed_on_the_way_is_noticed(run: Run, service: str) -> None:
    async with cutting_proxy(service, alter=lambda data: data.replace(b"Good", b"Bad.")) as proxy:
        told = await read(run, proxy.url, body=QUESTION)

    proof = proof_of(told)
    assert payloads_of(told) != expected(service, told)
    assert (proof["countMatches"], proof["digest"], proof["whole"]) == (True, "different", False)


async def test_an_event_that_was_taken_out_on_the_way_is_noticed(run: Run, service: str) -> None:
    def drop(data: bytes) -> bytes:
        # Still framed as it was, the event is now a comment.
        return data.replace(b"id: 9\ndata: ", b":::::::::::::")

    async with cutting_proxy(service, alter=drop) as proxy:
        told = await read(run, proxy.url, body=QUESTION)

    proof = proof_of(told)
    assert of_kind(told, "gap") == [{"kind": "gap", "from": 9, "to": 9}]
    assert (proof["gaps"], proof["whole"]) == ([{"from": 9, "to": 9}], False)


async def test_a_busy_conversation_names_its_turn_which_can_be_interrupted(
    run: Run, slow_service: str
) -> None:
    running = started(slow_service)
    question = QUESTION | {"conversation_id": running.conversation_id}

    refused, proof = (await read(run, slow_service, body=question))[-2:]
    told = await read(run, slow_service, body=question | {"if_busy": "interrupt"}, stopAt=2)

    assert (refused["kind"], refused["code"]) == ("refused", "conversation_busy")
    assert refused["request_id"] == running.request_id
    assert proof["terminal"] is None
    assert proof_of(told)["whole"]
    assert '"event":"interrupted"' in undisturbed(slow_service, running.path)[-1].data
