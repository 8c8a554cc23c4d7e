"""The web page: static files, and the diagram of the machine that it lights up."""

from functools import cache
from pathlib import Path

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from statemachine import svg

WEB = Path(__file__).parent.parent / "web"


class WebFiles(StaticFiles):
    """The files of the page; browsers ask each time, so that they never mix two versions."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, or what says that the browser has it already."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Accept-Ranges"] = "none"
        return response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a file."""
        await super().__call__(_whole(scope), receive, send)


class Page(FileResponse):
    """A page, which browsers ask for each time as well."""

    def __init__(self, name: str) -> None:
        super().__init__(WEB / name, headers={"Cache-Control": "no-cache", "Accept-Ranges": "none"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the page."""
        await super().__call__(_whole(scope), receive, send)


def _whole(scope: Scope) -> Scope:
    """Return a request for all of a file: of parts Starlette has answers that are not ours."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
    return {**scope, "headers": headers}


web_files = WebFiles(directory=WEB)


async def index(_: Request) -> Response:
    """GET /: the page."""
    return Page("index.html")


async def diagram(_: Request) -> Response:
    """GET /diagram.svg: the overview of the table."""
    drawn = await anyio.to_thread.run_sync(_overview)
    return Response(drawn, media_type="image/svg+xml", headers={"Cache-Control": "no-cache"})


@cache
def _overview() -> str:
    """Drawn once, beside the event loop: it takes a fifth of a second, and the table is fixed."""
    return svg()
