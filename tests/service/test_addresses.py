"""Every address beside the turns: what answers, what does not, and what is true of all answers."""

import json
from importlib.metadata import version

import pytest

from service.routes import ROUTES
from tests.support.applications import TURNS, application
from tests.support.upstreams import Script, answer

pytestmark = pytest.mark.slow

SECURITY = {
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
}
BUG = ZeroDivisionError("a bug")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/web/page.js", 200),
        ("GET", "/diagram.svg", 200),
        ("GET", "/v1/info", 200),
        ("GET", "/livez", 200),
        ("GET", "/readyz", 200),
        ("GET", "/nowhere", 404),
        ("DELETE", "/livez", 405),
        ("GET", "/web/nowhere.js", 404),
        ("POST", TURNS, 400),
        ("GET", f"{TURNS}/nobody", 404),
    ],
)
async def test_every_answer_carries_the_security_headers(method, target, status):
    async with application() as app:
        reply, _ = await app.ask(method, target)

    assert reply.status == status
    assert set(reply.headers) >= SECURITY


async def test_the_policy_allows_only_what_comes_from_here():
    async with application() as app:
        reply, _ = await app.ask("GET", "/")

    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff"


async def test_even_a_crash_carries_the_security_headers():
    async with application(Script(at_prepare=(BUG,))) as app, app.turn() as turn:
        await turn.begun()

    assert turn.status == 500
    assert set(turn.headers) >= SECURITY


async def test_a_stream_carries_the_security_headers():
    async with application(Script(answer("Hi"))) as app, app.turn() as turn:
        await turn.begun()

    assert set(turn.headers) >= SECURITY


@pytest.mark.parametrize(
    "target", ["/nowhere", "/v1", "/livez/", "/web", f"{TURNS}/", "/web/no.js", "/%2e"]
)
async def test_an_unknown_address_is_a_404_with_the_documented_body(target):
    async with application() as app:
        reply, body = await app.ask("GET", target)

    assert reply.status == 404
    assert json.loads(body) == {
        "detail": {"response": "There is nothing at this address.", "cause": "Check the path."},
        "code": "route_unknown",
    }


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", TURNS),
        ("PUT", TURNS),
        ("DELETE", f"{TURNS}/nobody"),
        ("POST", "/livez"),
        ("POST", "/web/page.js"),
    ],
)
async def test_a_wrong_method_is_a_405_that_says_which_are_right(method, target):
    async with application() as app:
        reply, body = await app.ask(method, target)

    assert reply.status == 405
    assert json.loads(body)["code"] == "method_not_allowed"
    assert json.loads(body)["detail"]["cause"] == f"{method} is not possible here."
    assert method not in reply.headers["allow"].split(", ")


@pytest.mark.parametrize(
    "path",
    [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "..%5capp.py",
        "sub/../../app.py",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "....//app.py",
        "%00",
        "page.js%00.html",
        "x" * 5_000,
        "",
        ".",
    ],
)
async def test_nothing_outside_of_the_page_is_served(path):
    async with application() as app:
        reply, body = await app.ask("GET", f"/web/{path}")

    assert reply.status == 404
    assert json.loads(body)["code"] == "route_unknown"


async def test_the_page_is_served():
    async with application() as app:
        reply, body = await app.ask("GET", "/")

    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["cache-control"] == "no-cache"
    assert b"/web/page.js" in body


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("page.js", "javascript"), ("page.css", "text/css"), ("icon.svg", "image/svg+xml")],
)
async def test_the_files_of_the_page_have_the_types_that_browsers_ask_for(name, content_type):
    async with application() as app:
        reply, body = await app.ask("GET", f"/web/{name}")

    assert reply.status == 200
    assert content_type in reply.headers["content-type"]
    assert body


async def test_a_file_of_the_page_that_a_browser_has_is_not_sent_again():
    async with application() as app:
        first, _ = await app.ask("GET", "/web/page.js")
        known = {"If-None-Match": first.headers["etag"]}
        again, body = await app.ask("GET", "/web/page.js", **known)

    assert (again.status, body) == (304, b"")


async def test_the_diagram_is_an_svg():
    async with application() as app:
        reply, body = await app.ask("GET", "/diagram.svg")

    assert reply.headers["content-type"].startswith("image/svg+xml")
    assert body.lstrip().startswith(b"<svg")


async def test_info_says_what_answers():
    async with application() as app:
        _, body = await app.ask("GET", "/v1/info")

    assert json.loads(body) == {
        "service": "turnstile",
        "version": version("llama-turnstile"),
        "upstream": {
            "kind": "scripted",
            "recorded": False,
            "notice": "",
            "speed": None,
            "default_session": None,
        },
        "durable": False,
        "sessions": [],
        "dialects": ["native", "text"],
    }


async def test_a_process_is_alive_and_ready_until_it_stops():
    async with application() as app:
        before = [(await app.ask("GET", path))[0].status for path in ("/livez", "/readyz")]
        app.services.live.stop_all()
        reply, body = await app.ask("GET", "/readyz")
        alive, _ = await app.ask("GET", "/livez")

    assert before == [200, 200]
    assert (reply.status, json.loads(body)) == (503, {"ready": False})
    assert alive.status == 200


def test_no_address_is_listed_twice():
    listed = [(each.method, each.path) for each in ROUTES]

    assert len(set(listed)) == len(listed)
