"""The web page: static files, and the diagram of the machine that it lights up."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from statemachine import svg

WEB = Path(__file__).parent.parent / "web"
web_files = StaticFiles(directory=WEB)


async def index(_: Request) -> Response:
    """GET /: the page."""
    return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})


async def diagram(_: Request) -> Response:
    """GET /diagram.svg: the overview of the table."""
    return Response(svg(), media_type="image/svg+xml", headers={"Cache-Control": "no-cache"})
