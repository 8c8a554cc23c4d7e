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
        self._written: list[str] = []
        self._withdrawn = False

    def encode(self, emission: Emission) -> bytes:
        """Return the text of an emission, often none."""
        return self._text(emission).encode("utf-8", "replace")

    def gap(self, first: int, to: int) -> bytes:
        """Return the line that says that something is missing."""
        return f"\n[gap: {first} to {to}]\n".encode()

    def unavailable(self, code: str, response: str, retry_ms: int) -> bytes:  # noqa: ARG002
        """Return the line that says so."""
        return f"\n\n[error: {code}] {response}".encode()

    def _text(self, emission: Emission) -> str:
        output = emission.output
        match output:
            case Token():
                self._written.append(output.text)
                return output.text
            case ToolCall():
                return f"\n[tool: {_name(output.call.tool_name)}]\n"
            case Shield() if output.violation is not None:
                self._withdrawn = True
                return f"\n[shield: {output.touchpoint} violation]\n"
            case TurnComplete():
                return self._rest(output.text)
            case _:
                return _closing(output)

    def _rest(self, answer: str) -> str:
        """Return what is missing of the answer: all of it after a refusal by a shield."""
        written = "".join(self._written)
        if not written or self._withdrawn:
            return f"\n{answer}" if written else answer
        if answer.startswith(written):
            return answer.removeprefix(written)
        return "" if written.rstrip().endswith(answer.strip()) else f"\n{answer}"


def _name(text: str) -> str:
    """Return a name that a model made up, as one line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _closing(output: object) -> str:
    match output:
        case End():
            lines = [f"{_name(each.title)}: {each.url or '-'}\n" for each in output.documents]
            return "".join(["\n\n---\n\n", *lines]) if lines else ""
        case AwaitingInput():
            names = ", ".join(_name(call.tool_name) for call in output.calls)
            return f"\n\n[awaiting input: {names}]"
        case Interrupted():
            return f"\n\n[interrupted: {output.by}]"
        case Failure():
            return f"\n\n[error: {output.code}] {output.response}"
        case _:
            return ""
