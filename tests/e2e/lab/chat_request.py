"""A chat completion request, as the scripted model understands it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation; `calls` are the names of the tools it calls."""

    role: str
    text: str
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a model was sent; `tools` are the names that it was offered."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[str, ...]
    stream: bool
    with_usage: bool
    token_limit: int | None

    @classmethod
    def parsed(cls, body: Mapping[str, Any]) -> "ChatRequest":
        """Read a request body."""
        return cls(
            model=body["model"],
            messages=tuple(_message(each) for each in body["messages"]),
            tools=tuple(tool["function"]["name"] for tool in body.get("tools") or ()),
            stream=bool(body.get("stream")),
            with_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            token_limit=body.get("max_completion_tokens") or body.get("max_tokens"),
        )

    @property
    def system_prompt(self) -> str:
        """The instructions: all system and developer messages."""
        said = [each.text for each in self.messages if each.role in {"system", "developer"}]
        return "\n".join(said)

    @property
    def turn_start(self) -> int:
        """Where this turn begins: after the last answer that called no tool."""
        answers = [
            index
            for index, each in enumerate(self.messages)
            if each.role == "assistant" and not each.calls
        ]
        return answers[-1] + 1 if answers else 0


def _message(message: Mapping[str, Any]) -> Message:
    calls = [call["function"]["name"] for call in message.get("tool_calls") or ()]
    return Message(message["role"], _text(message.get("content")), tuple(calls))


def _text(content: str | Sequence[Mapping[str, Any]] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.get("text", "") for part in content)
