"""`text/plain`: the answer as it comes, without framing, numbers or JSON (protocol, section 4)."""

from statemachine.emissions import (
    AwaitingInput,
    Emission,
    End,
    Failure,
    Interrupted,
    Shield,
    Token,
    ToolCall,
    TurnComplete,
)


class TextEncoder:
    """Encodes emissions as text; one encoder per reader, because it knows what was written."""

    content_type = "text/plain; charset=utf-8"
    framed = False

    def __init__(self) -> None:
        self._written = ""

    def encode(self, emission: Emission) -> bytes:
        """Return the text of an emission, often none."""
        return self._text(emission).encode("utf-8", "replace")

    def gap(self, first: int, to: int) -> bytes:
        """Return the line that says that something is missing."""
        return f"\n[gap: {first} to {to}]\n".encode()

    def _text(self, emission: Emission) -> str:
        output = emission.output
        match output:
            case Token():
                self._written += output.text
                return output.text
            case ToolCall():
                return f"\n[tool: {output.call.tool_name}]\n"
            case Shield() if output.violation is not None:
                return f"\n[shield: {output.touchpoint} violation]\n"
            case TurnComplete():
                return self._rest(output.text)
            case _:
                return _closing(output)

    def _rest(self, answer: str) -> str:
        """Return the answer if it is not what was written, as after a refusal by a shield."""
        if self._written.rstrip().endswith(answer.strip()):
            return ""
        return f"\n{answer}" if self._written else answer


def _closing(output: object) -> str:
    match output:
        case End():
            lines = [f"{each.title}: {each.url or '-'}\n" for each in output.documents]
            return "".join(["\n\n---\n\n", *lines]) if lines else ""
        case AwaitingInput():
            names = ", ".join(call.tool_name for call in output.calls)
            return f"\n\n[awaiting input: {names}]"
        case Interrupted():
            return f"\n\n[interrupted: {output.by}]"
        case Failure():
            return f"\n\n[error: {output.code}] {output.response}"
        case _:
            return ""
