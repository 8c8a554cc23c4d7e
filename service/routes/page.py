"""The web page: static files, and the diagram of the machine that it lights up."""

from functools import cache
from pathlib import Path

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from statemachine import svg

WEB = Path(__file__).parent.parent / "web"


class WebFiles(StaticFiles):
    """The files of the page; browsers ask each time, so that they never mix two versions."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, or what says that the browser has it already."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


web_files = WebFiles(directory=WEB)


async def index(_: Request) -> Response:
    """GET /: the page."""
    return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})


async def diagram(_: Request) -> Response:
    """GET /diagram.svg: the overview of the table."""
    drawn = await anyio.to_thread.run_sync(_overview)
    return Response(drawn, media_type="image/svg+xml", headers={"Cache-Control": "no-cache"})


@cache
def _overview() -> str:
    """Drawn once and beside the event loop: it takes half a second, and the table is fixed."""
    return svg()
