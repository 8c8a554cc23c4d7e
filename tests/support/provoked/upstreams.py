"""Whatever goes wrong upstream, on every route that asks it."""

from pathlib import Path

from service.domain import Catalogue, ToolGroup
from service.errors import TurnRefused, UpstreamError
from service.routes.openapi.failures import catalogue_failures, turn_failures
from tests.support.applications import application
from tests.support.asgi import lifespan
from tests.support.described import Told
from tests.support.provoked.situation import ANSWER, QUERIED, START, ask, not_begun, situation
from tests.support.upstreams import Script, ScriptedUpstream
from tests.support.waiting_turns import BOTH, WAITS

CATALOGUE = ("GET /v1/models", "GET /v1/shields", "GET /v1/tools")
_OF_TURNS, _OF_CATALOGUES = turn_failures(), catalogue_failures()


def _error(failure: TurnRefused) -> UpstreamError:
    return UpstreamError(failure.code, failure.response, failure.status_code)


def _all(route: str, failures: tuple[TurnRefused, ...]) -> list[Told]:
    return [Told(route, each.status_code, each.code) for each in failures]


@situation(*_all(START, _OF_TURNS), *_all(QUERIED, _OF_TURNS))
async def _turns_that_fail_at_once(_: Path) -> set[Told]:
    found: set[Told] = set()
    for route in (START, QUERIED):
        scripts = [Script(at_open=(_error(each),)) for each in _OF_TURNS]
        async with application(*scripts) as app:
            found |= {await ask(app, route) for _ in scripts}
    return found


@situation(*_all(ANSWER, _OF_TURNS))
async def _turns_that_fail_when_they_go_on(_: Path) -> set[Told]:
    scripts = [script for each in _OF_TURNS for script in (WAITS, Script(at_open=(_error(each),)))]
    async with application(*scripts) as app:
        return {await ask(app, ANSWER, turn=await app.ended(), body=BOTH) for _ in _OF_TURNS}


class _Refusing(ScriptedUpstream):
    """Answers whatever it is asked with one failure after another."""

    failure: TurnRefused = _OF_CATALOGUES[0]

    async def catalogue(self, *, renew: bool = False) -> Catalogue | None:
        """See `Upstream.catalogue`."""
        raise _error(self.failure)

    async def tools(self) -> tuple[ToolGroup, ...] | None:
        """See `Upstream.tools`."""
        raise _error(self.failure)


@situation(*(each for route in CATALOGUE for each in _all(route, _OF_CATALOGUES)))
async def _an_upstream_that_cannot_be_asked(_: Path) -> set[Told]:
    upstream, found = _Refusing(), set[Told]()
    app = not_begun(upstream)
    async with lifespan(app.app):
        for upstream.failure in _OF_CATALOGUES:
            found |= {await ask(app, route) for route in CATALOGUE}
    return found


UPSTREAMS = (
    _turns_that_fail_at_once,
    _turns_that_fail_when_they_go_on,
    _an_upstream_that_cannot_be_asked,
)
