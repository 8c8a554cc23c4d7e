"""Without authentication no page of another site reaches the service through a browser here."""

import pytest

from tests.support.applications import QUERY, TURNS, application
from tests.support.people import ALICE, credential, keys
from tests.support.upstreams import Script, answer

HELLO = Script(answer("Hi"))
HERE = ["127.0.0.1:8080", "localhost", "LOCALHOST:80", "[::1]:8080", "127.1.2.3"]
ELSEWHERE = ["rebound.example.org", "localhost.example.org:8080", "127.0.0.1.nip.example", "", "["]


async def status_of(app, **headers):
    made, _ = await app.ask("POST", TURNS, QUERY, **headers)
    return made.status


@pytest.mark.parametrize("host", HERE)
async def test_this_machine_may_be_called_by_every_address_of_its_own(host):
    async with application(HELLO) as app:
        assert await status_of(app, host=host) == 200


@pytest.mark.parametrize("host", ELSEWHERE)
async def test_a_name_that_somebody_has_led_here_is_refused(host):
    async with application(HELLO) as app:
        made, body = await app.ask("POST", TURNS, QUERY, host=host)

    assert made.status == 403
    assert b'"forbidden"' in body
    assert app.upstream.plans == []


@pytest.mark.parametrize("origin", ["https://evil.example.org", "null", "http://127.0.0.1:9", ""])
async def test_a_page_of_another_origin_can_start_nothing(origin):
    async with application(HELLO) as app:
        assert await status_of(app, host="127.0.0.1:8080", Origin=origin) == 403


async def test_its_own_page_and_those_of_the_settings_are_let_in():
    page = "https://console.example.org"
    async with application(HELLO, HELLO, cors={"origins": [page]}) as app:
        assert await status_of(app, host="localhost:8080", Origin="http://localhost:8080") == 200
        assert await status_of(app, Origin=page) == 200


async def test_with_a_credential_names_and_origins_do_not_matter():
    async with application(HELLO, **keys()) as app:
        elsewhere = {"host": "turnstile.example.org", "Origin": "https://evil.example.org"}

        assert await status_of(app, **elsewhere, **credential(ALICE)) == 200


async def test_where_others_are_let_in_on_purpose_nothing_is_looked_at():
    async with application(HELLO, authentication={"allow_remote": True}) as app:
        assert await status_of(app, host="turnstile.example.org") == 200
