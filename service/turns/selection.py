"""What a turn is made with: model, instructions, shields, stores and tools. Pure rules.

In each, the request has the first word, then the conversation, then the settings.
"""

from collections.abc import Mapping
from dataclasses import replace

from service.domain import (
    Caller,
    Catalogue,
    ClientTool,
    Conversation,
    McpServer,
    Model,
    Plan,
    TurnRequest,
)
from service.errors import (
    McpHeadersInvalid,
    ModelUnknown,
    RequestInvalid,
    ServiceError,
    ShieldUnknown,
    VectorStoreUnknown,
)
from service.settings import Settings
from service.settings.groups import McpServerSettings

_OUTPUT_ONLY = "output_"
_BOTH = "inout_"


def select(
    settings: Settings,
    catalogue: Catalogue | None,
    conversation: Conversation,
    request: TurnRequest,
) -> Plan:
    """Return the plan of a turn; without a catalogue there is nothing to choose.

    Raises:
        ModelUnknown, ShieldUnknown, VectorStoreUnknown: the upstream does not offer it.
        RequestInvalid, McpHeadersInvalid: the settings do not allow it.
    """
    instructions = _instructions(settings, request)
    servers = () if request.no_tools else mcp_servers(settings, request.caller)
    tools = () if request.no_tools else _client_tools(settings, request)
    plan = Plan(request.query, conversation, system_prompt=instructions)
    plan = replace(plan, attachments=request.attachments, mcp_servers=servers, client_tools=tools)
    if catalogue is None:
        return plan
    shields = _shields(catalogue.shields, request.shield_ids)
    return replace(
        plan,
        model=_model(settings, catalogue.models, conversation, request),
        input_shields=tuple(each for each in shields if not each.startswith(_OUTPUT_ONLY)),
        output_shields=tuple(each for each in shields if each.startswith((_OUTPUT_ONLY, _BOTH))),
        vector_stores=_vector_stores(settings, catalogue.vector_stores, request),
    )


def _model(
    settings: Settings, offered: tuple[Model, ...], conversation: Conversation, request: TurnRequest
) -> Model:
    """The request's, else the conversation's last, else the default, else the first LLM."""
    if request.model is not None:
        return _named(offered, request.provider, request.model)
    last = conversation.model
    if last is not None and last in offered:
        return last
    if settings.default_model is not None:
        return _named(offered, settings.default_provider, settings.default_model)
    answering = [each for each in offered if each.generates]
    if not answering:
        raise ModelUnknown("The upstream lists no model that answers questions.")
    # A model that only guards would answer nothing but "safe".
    return next((each for each in answering if not each.guards), answering[0])


def _named(offered: tuple[Model, ...], provider: str | None, name: str) -> Model:
    for each in offered:
        if each.provider == provider and name in (each.model_id, each.name):
            if not each.generates:
                raise ModelUnknown(f"The model {name!r} answers no questions.")
            return each
    known = any(each.provider == provider for each in offered)
    what = f"The provider {provider!r} has no model {name!r}"
    raise ModelUnknown(f"{what}." if known else f"{what}: there is no such provider.")


def _instructions(settings: Settings, request: TurnRequest) -> str:
    if request.system_prompt is None:
        return settings.system_prompt
    if not settings.system_prompt_by_request:
        raise RequestInvalid("system_prompt: requests may not bring their own here")
    return request.system_prompt


def _shields(offered: tuple[str, ...], asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """All that are offered, unless the request says which; an empty list means none."""
    return offered if asked is None else _offered(asked, offered, ShieldUnknown)


def _vector_stores(
    settings: Settings, offered: tuple[str, ...], request: TurnRequest
) -> tuple[str, ...]:
    if request.no_tools:
        return ()
    if request.vector_store_ids is None:
        return offered if settings.retrieval else ()
    return _offered(request.vector_store_ids, offered, VectorStoreUnknown)


def _offered(
    asked: tuple[str, ...], offered: tuple[str, ...], unknown: type[ServiceError]
) -> tuple[str, ...]:
    for each in asked:
        if each not in offered:
            raise unknown(f"The upstream does not offer {each!r}.")
    return tuple(dict.fromkeys(asked))


def _client_tools(settings: Settings, request: TurnRequest) -> tuple[ClientTool, ...]:
    """The settings' and the request's; of the same name, the request's."""
    if request.client_tools and not settings.client_tools_by_request:
        raise RequestInvalid("client_tools: requests may not bring their own here")
    configured = [
        ClientTool(each.name, each.description, each.parameters) for each in settings.client_tools
    ]
    by_name = {each.name: each for each in (*configured, *request.client_tools)}
    return tuple(by_name.values())


def mcp_servers(settings: Settings, caller: Caller) -> tuple[McpServer, ...]:
    """Return the configured servers with the headers that they get of this caller.

    Nobody else receives anything.

    Raises:
        McpHeadersInvalid: there are headers for a server that is not configured.
    """
    configured, given = settings.mcp_servers, caller.mcp_headers or {}
    servers = tuple(
        McpServer(
            each.name,
            str(each.url),
            each.tool_group or f"mcp::{each.name}",
            _headers(each, given, caller.token),
            approval=each.approval == "always",
        )
        for each in configured
    )
    known = {key for each in configured for key in _keys(each)}
    for server in given:
        if server not in known:
            raise McpHeadersInvalid(f"No MCP server {server[:100]!r} is configured.")
    return servers


def _keys(server: McpServerSettings) -> tuple[str, ...]:
    """Return what a request may call a server."""
    url = str(server.url)
    return (server.name, url, url.rstrip("/"))


def _headers(
    server: McpServerSettings, given: Mapping[str, Mapping[str, str]], token: str | None
) -> dict[str, str]:
    """The request's headers, then the caller's token where it may go, then the settings'.

    Names are in lower case, so that none is there twice.
    """
    headers = {name.lower(): each.get_secret_value() for name, each in server.headers.items()}
    if server.authorization == "caller" and token is not None:
        headers["authorization"] = f"Bearer {token}"
    for key in _keys(server):
        headers |= given.get(key, {})
    return headers
