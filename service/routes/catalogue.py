"""What can be chosen: models, shields and tools."""

from collections.abc import Awaitable

from starlette.requests import Request
from starlette.responses import Response

from service.domain import Model
from service.errors import UpstreamError
from service.routes.answers import (
    JsonAnswer,
    ModelAnswer,
    ModelsAnswer,
    ShieldAnswer,
    ShieldsAnswer,
    ToolAnswer,
    ToolsAnswer,
)
from service.routes.services import services_of
from service.turns.tools import OfferedTool, offered_tools

_RATE_LIMITED = 429
_SERVER_ERRORS = range(500, 600)


async def models(request: Request) -> Response:
    """GET /v1/models: list the models that the upstream offers."""
    offered = await _told(services_of(request).upstream.catalogue())
    found = [_model(each) for each in offered.models] if offered else []
    return JsonAnswer(ModelsAnswer(models=found))


async def shields(request: Request) -> Response:
    """GET /v1/shields: list the shields that can be chosen: those that somebody asks."""
    offered = await _told(services_of(request).upstream.catalogue())
    found = [ShieldAnswer(identifier=each) for each in offered.shields] if offered else []
    return JsonAnswer(ShieldsAnswer(shields=found))


async def tools(request: Request) -> Response:
    """GET /v1/tools: list the tools of the upstream, of MCP servers and of clients."""
    services = services_of(request)
    groups = await _told(services.upstream.tools())
    found = [] if groups is None else offered_tools(services.settings, groups)
    return JsonAnswer(ToolsAnswer(tools=[_tool(each) for each in found]))


async def _told[Offer](asked: Awaitable[Offer]) -> Offer:
    """Return what the upstream offers; that it refuses to tell is no fault of who wants to know.

    Raises:
        UpstreamError: it cannot be asked, now (429, 503, 504) or at all (502).
    """
    try:
        return await asked
    except UpstreamError as failed:
        if failed.status_code == _RATE_LIMITED or failed.status_code in _SERVER_ERRORS:
            raise
        raise UpstreamError(
            "upstream_error", "The upstream failed.", cause=failed.cause, detail=failed.detail
        ) from failed


def _model(model: Model) -> ModelAnswer:
    return ModelAnswer(
        identifier=model.model_id,
        provider_id=model.provider,
        provider_resource_id=model.name,
        model_type=model.kind,
        guards=model.guards,
    )


def _tool(offered: OfferedTool) -> ToolAnswer:
    tool = offered.tool
    return ToolAnswer(
        identifier=tool.name if tool else offered.group_id or "",
        type="tool" if tool else "tool_group",
        description=tool.description if tool else "",
        parameters=tool.parameters if tool else None,
        tool_group=offered.group_id,
        server_source=offered.source,
    )
