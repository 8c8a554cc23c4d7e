"""What the process counts, for Prometheus: once per turn or request, never per token.

Labels come from closed sets and from the settings; whatever else comes is `other`.
"""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics

from service import errors
from service.domain import TurnRecord
from service.errors import FAULTS, ServiceError

OTHER = "other"
_OPENMETRICS = "application/openmetrics-text"
_MODELS_LIMIT = 100
"""A server offers so many models at most that are told apart."""

OUTCOMES = ("end", "awaiting_input", "interrupted", "error")
_DURATIONS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)
_FIRST_CHUNKS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

STREAM_CODES = frozenset(
    {
        "illegal_transition",
        "internal_error",
        "malformed_chunk",
        "moderation_failed",
        "owner_lost",
        "storage_unavailable",
        "turn_timeout",
        "upstream_bad_request",
        "upstream_conflict",
        "upstream_denied",
        "upstream_error",
        "upstream_frame_too_large",
        "upstream_not_found",
        "upstream_not_json",
        "upstream_rate_limited",
        "upstream_reset",
        "upstream_timeout",
        "upstream_too_large",
        "upstream_too_much",
        "upstream_tools_unreachable",
        "upstream_truncated",
        "upstream_unavailable",
        "upstream_unprocessable",
        "upstream_version",
    }
)
"""The codes that a stream can end with (protocol, error codes)."""

CODES = frozenset(
    each.code
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, ServiceError)
) | {*FAULTS, *STREAM_CODES}


class Metrics:
    """What one process counts, in a registry of its own."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        """`patterns` are the names of what a redactor may find."""
        self._registry = CollectorRegistry()
        self._started = self._counter("turns_started", "Turns that were begun")
        ended = self._counter("turns_ended", "Turns by how they ended", "outcome", "code")
        self._ended = ended
        took = self._histogram("turn_duration_seconds", "How long turns took", _DURATIONS_S)
        self._took = took
        self._first_chunk = self._histogram(
            "first_chunk_seconds", "Time from a question to the first chunk", _FIRST_CHUNKS_S
        )
        self._tokens = self._counter("tokens", "Tokens that turns used", "direction", "model")
        self._refused = self._counter("requests_refused", "Requests that were refused", "code")
        stored = self._counter("turns_stored", "Turns by whether they were stored", "stored")
        self._stored = {each: stored.labels(str(each).lower()) for each in (True, False)}
        redacted = self._counter("redactions", "What was taken out of requests", "pattern")
        self._redacted = {each: redacted.labels(each) for each in (*patterns, OTHER)}
        self._running = self._gauge("turns_running", "Turns that run")
        self._open = self._gauge("streams_open", "Streams that are open")
        self._unstored = self._gauge("turns_unstored", "Turns that wait to be stored")
        self._models: set[str] = set()
        ProcessCollector(registry=self._registry)

    def watch(
        self,
        running_turns: Callable[[], float],
        open_streams: Callable[[], float],
        unstored_turns: Callable[[], float],
    ) -> None:
        """Say where to look for what there is now, whenever somebody asks."""
        self._running.set_function(running_turns)
        self._open.set_function(open_streams)
        self._unstored.set_function(unstored_turns)

    def turn_started(self) -> None:
        """Count a turn that was begun."""
        self._started.inc()

    def turn_ended(
        self, record: TurnRecord, duration_s: float, first_chunk_s: float | None = None
    ) -> None:
        """Count a turn that has ended; `first_chunk_s` is None when the upstream said nothing."""
        outcome = record.outcome if record.outcome in OUTCOMES else OTHER
        self._ended.labels(outcome, _known(record.code) if record.code else "").inc()
        self._took.observe(duration_s)
        if first_chunk_s is not None:
            self._first_chunk.observe(first_chunk_s)
        model = self._model(record.model.model_id) if record.model else ""
        self._tokens.labels("input", model).inc(max(0, record.input_tokens))
        self._tokens.labels("output", model).inc(max(0, record.output_tokens))

    def refused(self, code: str) -> None:
        """Count a request that was refused, by the code of its error."""
        self._refused.labels(_known(code)).inc()

    def redacted(self, counts: Mapping[str, int]) -> None:
        """Count what was taken out of a request, by the names of the patterns."""
        for name, count in counts.items():
            self._redacted.get(name, self._redacted[OTHER]).inc(count)

    def stored(self, stored: bool) -> None:  # noqa: FBT001 # it is what is counted
        """Count a turn that has ended, by whether it was stored before it said so."""
        self._stored[stored].inc()

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return everything, and its media type: OpenMetrics where `accept` names it."""
        if any(each.split(";")[0].strip() == _OPENMETRICS for each in accept.lower().split(",")):
            body: bytes = openmetrics.generate_latest(self._registry)  # type: ignore[no-untyped-call] # as it comes
            return body, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4

    def _model(self, model_id: str) -> str:
        if len(self._models) < _MODELS_LIMIT:
            self._models.add(model_id)
        return model_id if model_id in self._models else OTHER

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"turnstile_{name}", f"{text}.", labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"turnstile_{name}", f"{text}.", registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float]) -> Histogram:
        name = f"turnstile_{name}"
        return Histogram(name, f"{text}.", buckets=tuple(buckets), registry=self._registry)


def _known(code: str) -> str:
    return code if code in CODES else OTHER
