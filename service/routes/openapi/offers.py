"""What the routes answer that tell what can be chosen, what is left, and who the caller is."""

from service.errors import StorageUnavailable
from service.routes.answers import (
    AuthorizedAnswer,
    ModelsAnswer,
    QuotasAnswer,
    ShieldsAnswer,
    ToolsAnswer,
)
from service.routes.openapi.failures import catalogue_failures
from service.routes.openapi.operation import Operation, json_answer

_MODELS = {
    "models": [
        {
            "identifier": "vllm/granite-3.3-8b",
            "provider_id": "vllm",
            "provider_resource_id": "granite-3.3-8b",
            "model_type": "llm",
            "guards": False,
        }
    ]
}
_TOOLS = {
    "tools": [
        {
            "identifier": "list_pods",
            "type": "tool",
            "description": "Lists the pods of a namespace.",
            "parameters": {"type": "object", "properties": {"namespace": {"type": "string"}}},
            "tool_group": "mcp::cluster",
            "server_source": "mcp:cluster",
        }
    ]
}
_QUOTAS = {
    "quotas": [
        {
            "name": "daily",
            "scope": "user",
            "available": 48_500,
            "renews_at": "2026-11-24T00:00:00.000Z",
        }
    ]
}
_AUTHORIZED = {
    "user_id": "maria",
    "username": "maria",
    "roles": ["user"],
    "actions": ["authorized", "get_conversation", "streaming_query"],
}

OPERATIONS: dict[str, Operation] = {
    "GET /v1/models": Operation(
        "Choices",
        (json_answer("The models; none while recordings are played.", ModelsAnswer, _MODELS),),
        refusals=catalogue_failures(),
    ),
    "GET /v1/shields": Operation(
        "Choices",
        (
            json_answer(
                "The shields; none while recordings are played.",
                ShieldsAnswer,
                {"shields": [{"identifier": "llama-guard"}]},
            ),
        ),
        refusals=catalogue_failures(),
    ),
    "GET /v1/tools": Operation(
        "Choices",
        (json_answer("The tools; none while recordings are played.", ToolsAnswer, _TOOLS),),
        refusals=catalogue_failures(),
    ),
    "GET /v1/quotas": Operation(
        "People",
        (json_answer("The quotas; none where none are set.", QuotasAnswer, _QUOTAS),),
        refusals=(StorageUnavailable,),
    ),
    "POST /v1/authorized": Operation(
        "People", (json_answer("Who the caller is.", AuthorizedAnswer, _AUTHORIZED),)
    ),
}
"""By method and path."""
