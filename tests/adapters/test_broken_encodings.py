"""Bodies whose encoding is broken are the upstream's fault, never a bug of ours."""

import pytest

from service.errors import UpstreamError
from tests.support.plans import payloads_of, plan
from tests.support.stack import FakeStack, running, says


@pytest.mark.parametrize("status", [200, 500])
async def test_a_broken_encoding_is_a_lost_connection(status):
    broken = says({"detail": "no gzip at all"}, status, **{"content-encoding": "gzip"})
    async with running(FakeStack().on("POST", "/v1/responses", broken)) as upstream:
        with pytest.raises(UpstreamError) as raised:
            await payloads_of(upstream.prepare(plan()))

    assert raised.value.code in ("upstream_reset", "upstream_not_a_stream")
