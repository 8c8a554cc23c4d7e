"""How much a model is asked to think."""

import pytest

from tests.support import responses_chunks as responses
from tests.support.plans import payloads_of, plan
from tests.support.stack import FakeStack, running, streams


@pytest.mark.parametrize(("effort", "sent"), [(None, None), ("medium", {"effort": "medium"})])
async def test_a_model_is_asked_to_think_where_the_settings_say_so(effort, sent):
    server = FakeStack().on("POST", "/v1/responses", streams(responses.created()))
    settings = {} if effort is None else {"reasoning_effort": effort}
    async with running(server, **settings) as upstream:
        await payloads_of(upstream.prepare(plan()))

    (body,) = server.bodies("/v1/responses")
    assert body.get("reasoning") == sent
