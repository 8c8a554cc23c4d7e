"""A stand-in for the encodings of tiktoken, which would be downloaded: four bytes are a token.

Python imports this module by itself when its folder is on the PYTHONPATH of a real server.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


class FourBytes:
    """An encoding with the methods that Llama Stack calls."""

    name = "four_bytes"

    def encode(self, text: str, **_: object) -> list[int]:
        """Return a number for every four bytes; it holds their length as well."""
        raw = text.encode()
        parts = [raw[start : start + 4] for start in range(0, len(raw), 4)]
        return [int.from_bytes(part) + (len(part) << 32) for part in parts]

    encode_ordinary = encode

    def decode(self, tokens: Sequence[int], **_: object) -> str:
        """Return the text of these numbers."""
        parts = [(each & 0xFFFFFFFF).to_bytes(each >> 32) for each in tokens]
        return b"".join(parts).decode(errors="replace")


class Finder(MetaPathFinder):
    """Replaces `tiktoken.get_encoding` when that module is first imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find tiktoken with the other finders, and change what its loading does."""
        if fullname != "tiktoken":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            vars(module)["get_encoding"] = lambda *_, **__: FourBytes()

        vars(spec.loader)["exec_module"] = exec_module
        return spec


sys.meta_path.insert(0, Finder())
