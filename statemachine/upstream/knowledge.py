"""Tolerant reading of RAG tool results: documents, chunks, scores, and the one-line summary.

Strangers wrote the text that is read here: nothing raises, nothing is run, all is bounded.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice, repeat
from urllib.parse import urlsplit

from statemachine.errors import NotJson
from statemachine.events import Document, RagChunk
from statemachine.upstream.frames import parse_payload

_TEXT_LIMIT = 1 << 20
_METADATA_LIMIT, _METADATA_TOTAL_LIMIT = 8 << 10, 128 << 10  # `ast` can take 1 s for 1 MiB.
_URL_LIMIT, _LINE_LIMIT, _SUMMARY_LIMIT = 2_048, 300, 200
_ITEM_LIMIT, _RESULT_LIMIT, _DOCUMENT_LIMIT = 10_000, 1_000, 200
# Early 0.2 servers write "Result 1:", then a shortened document id, and no metadata.
# The metadata of a result may lack the line end before the next one.
_HEADER = re.compile(
    r"Result (?<![^\n}]Result )([0-9]{1,9}):?[ \t]*\r?\n(?:Document_id:.*\n)?Content:"
)
_STRING = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_TOKEN = re.compile(rf"(?s){_STRING}|\\.|[{{}}]")
# What `repr` writes for JSON values; the Python parser prints warnings for some other texts.
_REPR = re.compile(
    r"""(?:'(?:[^'\\]|\\[\\'"nrtxuU])*'|"(?:[^"\\]|\\[\\'"nrtxuU])*"|[\s{}\[\](),:]"""
    r"""|None|True|False|-?(?:nan|inf)|null|true|false"""
    r"""|-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?(?!\w))*"""
)
# The words in it that are no Python literals, and the strings that may hold such words.
_WORD = re.compile(rf"(?s)({_STRING})|-?(?:nan|inf)|null|true|false")
_LITERALS = {"true": "True", "false": "False"}
_UNREADABLE = (NotJson, ValueError, SyntaxError, TypeError, RecursionError, MemoryError)
# Control characters, halves of surrogate pairs (UTF-8 has none), text direction overrides.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]+")
type _Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a retrieval tool found; `summary` is one line of at most 200 characters."""

    summary: str | None
    documents: tuple[Document, ...]
    chunks: tuple[RagChunk, ...]


def read_tool_response(content: object, metadata: object) -> Knowledge:
    """Read a tool response of an agent turn: its text, and the metadata beside the text."""
    texts, fields = _texts(content), _mapping(metadata)
    ids = [_identifier(value) for value in _items(fields.get("document_ids"))[:_RESULT_LIMIT]]
    passages = list(_passages(texts, set(filter(None, ids))))
    documents = [document for _, document in passages if document]
    chunks = tuple(RagChunk(text, _source(document), None) for text, document in passages if text)
    listed = tuple(_listed_chunks(fields, ids, documents))
    lines = (_line(text.strip().partition("\n")[0]) for text in texts)
    summary = next(filter(None, lines), "").rstrip(": ")[:_SUMMARY_LIMIT].rstrip() or None
    return Knowledge(summary, _distinct(documents), listed or chunks)


def read_search_results(results: object) -> Knowledge:
    """Read the `results` of a file_search call."""
    hits = [hit for hit in _items(results) if isinstance(hit, Mapping)][:_RESULT_LIMIT]
    noun = "result" if len(hits) == 1 else "results"
    summary = f"file_search found {len(hits)} {noun}" if hits else None
    documents = [_document(_mapping(hit.get("attributes")), hit) for hit in hits]
    texts = _within_limit(hit.get("text") for hit in hits)
    scores = (_score(hit.get("score")) for hit in hits)
    passages = zip(texts, map(_source, documents), scores, strict=True)
    chunks = tuple(RagChunk(*passage) for passage in passages if passage[0])
    return Knowledge(summary, _distinct(filter(None, documents)), chunks)


def plain_text(content: object) -> str:
    """Return the text of tool content, a line break between items, at most 1 MiB of text."""
    return "\n".join(_texts(content))


def _texts(content: object) -> list[str]:
    items = _items(content) or (content,)
    fields = (item if isinstance(item, Mapping) else {"text": item} for item in items)
    values = (item.get("text") for item in fields if item.get("type", "text") == "text")
    return [text for text in _within_limit(values) if text]


def _within_limit(values: Iterable[object]) -> Iterator[str]:
    """Give one text for each value, "" for junk, together within the limit."""
    room = _TEXT_LIMIT
    for value in values:
        text = value[:room] if isinstance(value, str) else ""
        room -= len(text)
        yield text


def _passages(texts: list[str], ids: set[str]) -> Iterator[tuple[str, Document | None]]:
    room = _METADATA_TOTAL_LIMIT
    for body in islice(_bodies(texts), _RESULT_LIMIT):
        # A passage may quote or forge metadata; the server's own comes after it.
        text, mark, rest = body.rpartition("\nMetadata:")
        metadata = rest[: min(room, _METADATA_LIMIT)] if mark else ""
        room -= len(metadata)
        document = _document(_read_literal(_braces(metadata.strip())))
        # The server lists what it found; a document id that only the text has was forged.
        forged = document and document.document_id and ids and document.document_id not in ids
        yield (text if mark else rest).strip(), None if forged else document


def _bodies(texts: list[str]) -> Iterator[str]:
    """Cut at the headers of results, but not at those that a passage seems to have forged."""
    headed = [(text, headers) for text in texts if (headers := list(_HEADER.finditer(text)))]
    first = {int(headers[0][1]) for _, headers in headed}
    # Servers count up; where each result has an item of its own, an item holds no second one.
    most = 1 if len(first) > 1 and max(first) - min(first) < len(first) else None
    for text, headers in headed:
        due = int(headers[0][1])
        kept = [each for each in headers if int(each[1]) == due and (due := due + 1)][:most]
        ends = [*(header.start() for header in kept[1:]), len(text)]
        yield from (text[header.end() : end] for header, end in zip(kept, ends, strict=True))


def _braces(text: str) -> str:
    """Return the literal that the text begins with, up to the brace that closes it."""
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += (token[0] == "{") - (token[0] == "}")
        if depth <= 0:
            return text[: token.end()]
    return ""


def _read_literal(text: str) -> _Fields:
    """Read braces that hold JSON or, as older servers write it, the `repr` of a dict."""
    with suppress(*_UNREADABLE):
        return _mapping(parse_payload(text.encode()))
    with suppress(*_UNREADABLE):
        if _REPR.fullmatch(text):
            literal = _WORD.sub(lambda word: word[1] or _LITERALS.get(word[0], "None"), text)
            return _mapping(ast.literal_eval(literal))
    return {}


def _document(*layers: _Fields) -> Document | None:
    """Take the first usable values, earlier keys first, then earlier layers."""

    def first(read: Callable[[object], str], *keys: str) -> str:
        return next(filter(None, (read(layer.get(key)) for key in keys for layer in layers)), "")

    url = first(_url, "docs_url", "url", "source_url", "source")
    document_id = first(_identifier, "document_id", "file_id")
    title = first(_line, "title", "filename") or _line(document_id or url)
    return Document(url or None, title, document_id or None) if title else None


def _source(document: Document | None) -> str | None:
    return (document.url or document.title) if document else None


def _listed_chunks(fields: _Fields, ids: list[str], known: list[Document]) -> Iterator[RagChunk]:
    texts = _within_limit(_items(fields.get("chunks"))[:_RESULT_LIMIT])
    scores = chain(map(_score, _items(fields.get("scores"))), repeat(None))
    sources = {document.document_id: document.title for document in known[::-1]}
    sources |= {document.document_id: document.url for document in known[::-1] if document.url}
    for text, score, key in zip(texts, scores, chain(ids, repeat("")), strict=False):
        if text:
            yield RagChunk(text, sources.get(key, key) or None, score)


def _distinct(documents: Iterable[Document]) -> tuple[Document, ...]:
    kept: dict[str, Document] = {}
    for document in documents:
        kept.setdefault(document.url or document.document_id or document.title, document)
    return tuple(kept.values())[:_DOCUMENT_LIMIT]


def _url(value: object) -> str:
    url = value.strip() if isinstance(value, str) and len(value) <= _URL_LIMIT else ""
    with suppress(ValueError):
        parts = urlsplit(url if url.isprintable() and " " not in url else "")
        return url if parts.scheme in {"http", "https"} and parts.hostname else ""
    return ""


def _identifier(value: object) -> str:
    # Python refuses to print very long integers.
    return _line(str(value) if type(value) is int and abs(value) <= sys.maxsize else value)


def _line(value: object) -> str:
    """Return the beginning of a text as one clean line, "" when there is none."""
    text = _UNSAFE.sub(" ", value[:_LINE_LIMIT]) if isinstance(value, str) else ""
    return " ".join(text.split())


def _score(value: object) -> float | None:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return float(number) if number is not None and abs(number) <= sys.float_info.max else None


def _mapping(value: object) -> _Fields:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> list[object] | tuple[object, ...]:
    return value[:_ITEM_LIMIT] if isinstance(value, list | tuple) else ()
