"""What servers of different versions answer when they are asked what they offer."""

from collections.abc import Mapping

type Offered = Mapping[str, object]

STORES = "/v1/vector_stores?limit=100"


def old_model(name: str, kind: str = "llm") -> dict[str, object]:
    """A model as servers before 0.4 list it."""
    named = {"identifier": f"vllm/{name}", "provider_resource_id": name, "provider_id": "vllm"}
    return {**named, "type": "model", "metadata": {}, "model_type": kind}


def new_model(name: str, kind: str = "llm") -> dict[str, object]:
    """A model as servers from 0.4 on list it."""
    about = {"model_type": kind, "provider_id": "vllm", "provider_resource_id": name}
    return {"id": f"vllm/{name}", "object": "model", "owned_by": "x", "custom_metadata": about}


def shield(name: str) -> dict[str, object]:
    """A shield as every server lists it."""
    return {"identifier": name, "provider_resource_id": "vllm/guard", "type": "shield"}


def listed(*rows: object) -> dict[str, object]:
    """A list as every server answers it."""
    return {"data": list(rows)}


def tool_group(name: str, uri: str | None = None) -> dict[str, object]:
    """A tool group; one of an MCP server has a URI."""
    return {"identifier": name, "mcp_endpoint": {"uri": uri} if uri else None}


def stores(*names: str) -> dict[str, object]:
    """The only page of vector stores."""
    return {"object": "list", "data": [{"id": each} for each in names], "has_more": False}


MODELS = (("small", "llm"), ("guard", "llm"), ("embed", "embedding"))
GROUPS = listed(tool_group("builtin::rag"), tool_group("mcp::known", "http://known.test/mcp"))


def offered_by(version: str) -> Offered:
    """Return the answers of a version; what is missing is a path that it does not have."""
    major, minor = (int(number) for number in version.split(".")[:2])
    make = old_model if (major, minor) < (0, 4) else new_model
    found: dict[str, object] = {
        "/v1/version": {"version": version},
        "/v1/models": listed(*(make(*each) for each in MODELS)),
    }
    if major < 1:
        found["/v1/shields"] = listed(shield("guard"))
    if (major, minor) < (0, 4):
        found["/v1/toolgroups"] = GROUPS
    if (major, minor) < (0, 3):
        found["/v1/vector-dbs"] = listed({"identifier": "docs"})
    else:
        found[STORES] = stores("docs")
    return found
