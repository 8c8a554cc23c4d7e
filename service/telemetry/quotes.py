"""What somebody else's text quotes of a question: it is taken out before that is logged."""

import json
from collections.abc import Iterator
from itertools import groupby

_QUOTED = "[...]"
_SHORTEST = 12
"""As many characters on end are no coincidence."""


def without_quotes(text: str, question: str) -> str:
    """Return a text without a question or parts of it, as these are or as JSON writes them."""
    kept = list(text)
    spellings = json.dumps(question), json.dumps(question, ensure_ascii=False), repr(question)
    for spelt in {question, *(each[1:-1] for each in spellings)}:
        for begin, end in _quotes(text, spelt):
            kept[begin:end] = [""] * (end - begin)
    runs = groupby(kept, key=bool)
    return "".join("".join(run) if is_kept else _QUOTED for is_kept, run in runs)


def _quotes(text: str, question: str) -> Iterator[tuple[int, int]]:
    size = min(len(question), _SHORTEST)
    parts = {question[at : at + size] for at in range(len(question) - size + 1)} - {""}
    for begin in range(len(text) - size + 1):
        end = begin + size
        if text[begin:end] in parts and (size == _SHORTEST or _is_whole(text, begin, end)):
            yield begin, end


def _is_whole(text: str, begin: int, end: int) -> bool:
    """Tell whether a short question stands there for itself, and is not a part of a word.

    Scripts that part no words with spaces can say much in a few letters: there all are taken out.
    """
    around = text[max(0, begin - 1) : begin] + text[end : end + 1]
    return not any(each.isascii() and each.isalnum() for each in around)
