"""Chunks of the Responses API as Llama Stack 0.7 writes them (UPSTREAM, section 3)."""

type Chunk = dict[str, object]


def chunk(kind: str, **fields: object) -> Chunk:
    """A chunk of a kind, whose name is given without `response.`."""
    return {"type": f"response.{kind}", "sequence_number": 1, **fields}


def created() -> Chunk:
    """The response was accepted."""
    return chunk("created", response={"id": "resp_1", "status": "in_progress", "output": []})


def item_added(item_id: str, kind: str = "message", **fields: object) -> Chunk:
    """An output item is announced."""
    return chunk("output_item.added", item={"id": item_id, "type": kind, **fields})


def item_done(item_id: str, kind: str = "message", **fields: object) -> Chunk:
    """An output item is finished."""
    return chunk("output_item.done", item={"id": item_id, "type": kind, **fields})


def part_added(item_id: str, kind: str = "output_text") -> Chunk:
    """A part of an item is announced."""
    return chunk("content_part.added", item_id=item_id, part={"type": kind})


def text(item_id: str, piece: str) -> Chunk:
    """The model says a piece."""
    return chunk("output_text.delta", item_id=item_id, delta=piece)


def reasoning(item_id: str, piece: str) -> Chunk:
    """The model thinks a piece."""
    return chunk("reasoning_text.delta", item_id=item_id, delta=piece)


def refusal(item_id: str, piece: str) -> Chunk:
    """The model refuses, piece by piece."""
    return chunk("refusal.delta", item_id=item_id, delta=piece)


def arguments(item_id: str, piece: str) -> Chunk:
    """The model writes a piece of arguments."""
    return chunk("function_call_arguments.delta", item_id=item_id, delta=piece)


def arguments_done(item_id: str, whole: str, kind: str = "mcp_call.arguments") -> Chunk:
    """The arguments of a call are complete."""
    return chunk(f"{kind}.done", item_id=item_id, arguments=whole)


def ended(kind: str, *output: object, **fields: object) -> Chunk:
    """The response ends: completed, incomplete or failed."""
    return chunk(kind, response={"id": "resp_1", "status": kind, "output": list(output), **fields})


def completed(*output: object, usage: object = None) -> Chunk:
    """The response is complete."""
    return ended("completed", *output, usage=usage)


def message(*parts: object, item_id: str = "m1") -> Chunk:
    """A message item of the output."""
    return {"id": item_id, "type": "message", "role": "assistant", "content": list(parts)}


def said(words: str) -> Chunk:
    """A text part of a message."""
    return {"type": "output_text", "text": words}


def refused(words: str) -> Chunk:
    """A refusal part of a message."""
    return {"type": "refusal", "refusal": words}
