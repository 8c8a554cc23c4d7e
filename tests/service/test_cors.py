"""Pages of other origins may use the service only where a setting names them."""

import pytest
from pydantic import ValidationError

from service.routes import ROUTES
from service.settings import Settings
from tests.support.applications import QUERY, TURNS, application, names
from tests.support.described import described
from tests.support.people import keys
from tests.support.upstreams import NEVER, Script, answer, opening_chunk

PAGE = "https://console.example.org"
OTHERS = [
    "https://evil.example.org",
    f"{PAGE}.evil.example",
    "https://evil-console.example.org",
    f"{PAGE}:8443",
    "http://console.example.org",
    PAGE.upper(),
    f"{PAGE}/",
    "null",
    "*",
    "",
]
HELLO = Script(answer("Hi"))
ALLOWED = {"cors": {"origins": [PAGE]}}
WANTED = {"Access-Control-Request-Method": "POST"}


def told(made):
    """Return what an answer says of other origins."""
    return {name: each for name, each in made.headers.items() if name.startswith("access-control")}


async def preflight(app, origin, **wanted):
    made, _ = await app.ask("OPTIONS", TURNS, Origin=origin, **(WANTED | wanted))
    return made


async def test_without_a_setting_nothing_is_said_of_other_origins():
    async with application(HELLO) as app:
        asked, _ = await app.ask("POST", TURNS, QUERY, Origin=PAGE)
        before = await preflight(app, PAGE)

    assert told(asked) == told(before) == {}
    assert before.status == 405


async def test_a_page_that_is_named_may_ask_and_read():
    async with application(HELLO, **ALLOWED) as app:
        before = await preflight(app, PAGE)
        asked, _ = await app.ask("POST", TURNS, QUERY, Origin=PAGE)

    assert before.status == 200
    assert told(before)["access-control-allow-origin"] == PAGE
    assert told(asked)["access-control-allow-origin"] == PAGE
    assert "Origin" in asked.headers["vary"]


@pytest.mark.parametrize("origin", OTHERS)
async def test_another_page_may_not_read_what_is_answered(origin):
    async with application(HELLO, **ALLOWED) as app:
        before = await preflight(app, origin)
        asked, _ = await app.ask("POST", TURNS, QUERY, Origin=origin)

    assert "access-control-allow-origin" not in told(before) | told(asked)
    assert before.status in (400, 405)


async def test_a_page_gets_a_stream_as_it_comes():
    async with (
        application(Script((opening_chunk(), NEVER)), commit_wait_s=0.01, **ALLOWED) as app,
        app.turn(headers={"Origin": PAGE}) as turn,
    ):
        begun = await turn.part()
        await app.interrupt(turn)
        rest = await turn.body()

    assert names(begun) == ["start"]
    assert names(rest) == ["interrupted"]


async def test_no_page_is_given_the_cookies_of_another():
    async with application(HELLO, **ALLOWED) as app:
        before = await preflight(app, PAGE)
        asked, _ = await app.ask("POST", TURNS, QUERY, Origin=PAGE, Cookie="a=b")

    assert "access-control-allow-credentials" not in told(before) | told(asked)


@pytest.mark.parametrize("header", ["X-Api-Key", "Cookie", "Host"])
async def test_a_page_may_send_no_headers_but_those_that_count(header):
    async with application(HELLO, **ALLOWED) as app:
        before = await preflight(app, PAGE, **{"Access-Control-Request-Headers": header})

    assert before.status == 400


async def test_a_page_may_send_and_read_every_header_that_is_documented():
    parameters, headers = (described()["components"][each] for each in ("parameters", "headers"))
    sent = [each["name"] for each in parameters.values() if each["in"] == "header"]
    # A browser sends and reads these by itself, and a proxy the last one.
    own = {"If-None-Match", "ETag", "WWW-Authenticate", "X-Accel-Buffering"}
    wanted = ", ".join({*sent, "Authorization", "Content-Type"} - own)

    async with application(HELLO, **ALLOWED) as app:
        before = await preflight(app, PAGE, **{"Access-Control-Request-Headers": wanted})
        asked, _ = await app.ask("POST", TURNS, QUERY, Origin=PAGE)

    assert before.status == 200
    assert set(headers) - own <= set(told(asked)["access-control-expose-headers"].split(", "))


@pytest.mark.parametrize("method", sorted({each.method for each in ROUTES}))
async def test_a_page_may_use_every_method_that_there_is(method):
    async with application(HELLO, **ALLOWED) as app:
        before = await preflight(app, PAGE, **{"Access-Control-Request-Method": method})

    assert before.status == 200


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("GET", "/v1/info", 401), ("PUT", TURNS, 405), ("GET", "/nowhere", 404)],
)
async def test_a_page_can_read_why_it_was_refused(method, target, status):
    async with application(HELLO, **keys(), **ALLOWED) as app:
        made, _ = await app.ask(method, target, Origin=PAGE)

    assert (made.status, told(made)["access-control-allow-origin"]) == (status, PAGE)


async def test_a_page_can_read_of_a_crash():
    async with application(Script(at_prepare=(ZeroDivisionError(),)), **ALLOWED) as app:
        made, _ = await app.ask("POST", TURNS, QUERY, Origin=PAGE)

    assert (made.status, told(made)["access-control-allow-origin"]) == (500, PAGE)


@pytest.mark.parametrize(
    "origin", ["*", "null", "console.example.org", f"{PAGE}/", f"{PAGE}/a", ""]
)
def test_what_no_browser_sends_is_no_origin(origin):
    with pytest.raises(ValidationError):
        Settings(cors={"origins": [origin]})
