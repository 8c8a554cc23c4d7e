"""What is stored and logged of a turn, folded from its outputs."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from statemachine.emissions import (
    AwaitingInput,
    Emission,
    End,
    Failure,
    Interrupted,
    Output,
    Reasoning,
    Shield,
    Token,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    TurnComplete,
)
from statemachine.events import Document, FinishReason, InputReason, RagChunk, Usage

_BYTES_PER_TOKEN = 4


def estimate_tokens(text: str) -> int:
    """Return a rough count of tokens: one for every four bytes of UTF-8, rounded up."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def prompt_of(question: str, instructions: str, documents: Iterable[str]) -> str:
    """Return what a model is sent for a turn, as far as its client and the settings give it."""
    return "\n\n".join(filter(None, (instructions, question, *documents)))


@dataclass(slots=True)
class Summary:
    """A turn so far. `outcome` is the wire name of the terminal event, None while it runs.

    `usage` is exact when the upstream reported it (`exact`), else estimated from the text.
    """

    prompt: str = ""
    outcome: str | None = None
    code: str | None = None
    finish_reason: FinishReason | None = None
    truncated: bool = False
    usage: Usage | None = None
    exact: bool = False
    results: list[ToolResult] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    shields: list[Shield] = field(default_factory=list)
    awaiting: AwaitingInput | None = None
    _pieces: list[str] = field(default_factory=list)
    _said: list[str] = field(default_factory=list)
    _answer: str | None = None

    @classmethod
    def of(cls, emissions: Iterable[Emission], prompt: str = "") -> "Summary":
        """Fold a whole stream."""
        summary = cls(prompt)
        for emission in emissions:
            summary.add(emission.output)
        return summary

    @property
    def answer(self) -> str:
        """The answer: whole once the turn is complete, else what was said until now."""
        return self.streamed if self._answer is None else self._answer

    @property
    def streamed(self) -> str:
        """All answer text that was streamed, also what was said before a tool or withdrawn."""
        return "".join(self._pieces)

    @property
    def told(self) -> bool:
        """Tell whether a history holds the turn: something was said, and no shield refused it."""
        return bool(self.answer) and self.finish_reason is not FinishReason.SHIELD

    @property
    def documents(self) -> tuple[Document, ...]:
        """The documents that tools referred to, each url (or document without one) once."""
        found: dict[object, Document] = {}
        for each in (each for result in self.results for each in result.documents):
            found.setdefault(each.url or each, each)
        return tuple(found.values())

    @property
    def chunks(self) -> tuple[RagChunk, ...]:
        """The passages that tools found, in order."""
        return tuple(each for result in self.results for each in result.chunks)

    def add(self, output: Output) -> None:
        """Take one output into the summary."""
        match output:
            case Token():
                self._pieces.append(output.text)
            case Reasoning() | ToolCallDelta():
                self._said.append(output.text)
            case ToolCall():
                self.calls.append(output)
            case ToolResult():
                self.results.append(output)
            case Shield():
                self._judge(output)
            case TurnComplete():
                self._answer = output.text
            case _:
                self._close(output)

    def completed(self, output: TurnComplete) -> TurnComplete:
        """Return the whole answer; servers may leave out what they have streamed."""
        return output if output.text else TurnComplete(self.answer)

    def ended(self, output: End) -> End:
        """Return the end with everything that was gathered on the way."""
        usage = output.usage or self._estimate()
        return replace(
            output,
            usage=usage,
            exact=output.usage is not None,
            documents=self.documents,
            chunks=self.chunks,
        )

    def _estimate(self) -> Usage:
        said = self.streamed or self.answer
        written = estimate_tokens(said) + estimate_tokens("".join(self._said))
        return Usage(estimate_tokens(self.prompt), written)

    def _judge(self, verdict: Shield) -> None:
        """What a shield refuses stays refused, whatever ends the turn then."""
        self.shields.append(verdict)
        if verdict.violation is not None:
            self.finish_reason = FinishReason.SHIELD

    def _close(self, output: Output) -> None:
        if isinstance(output, (AwaitingInput, Failure)):
            self.usage, self.exact = output.usage, output.usage is not None
        match output:
            case End():
                self.outcome = "end"
                self.finish_reason = output.finish_reason
                self.usage, self.exact = output.usage, output.exact
            case AwaitingInput():
                self.outcome, self.awaiting = "awaiting_input", output
                if output.reason is InputReason.MAX_ITERATIONS:
                    self.finish_reason = FinishReason.MAX_ITERATIONS
            case Interrupted():
                self.outcome = "interrupted"
            case Failure():
                self.outcome, self.code = "error", output.code
            case _:
                return
        limits = (FinishReason.LENGTH, FinishReason.MAX_ITERATIONS)
        self.truncated = self.finish_reason in limits
        self.usage = self.usage or self._estimate()
