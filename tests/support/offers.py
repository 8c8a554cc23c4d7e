"""What servers offer, for tests that choose from it."""

from service.domain import Catalogue, Model

SMALL = Model("vllm/small-8b", "vllm", "small-8b", generates=True)
LARGE = Model("vllm/large-70b", "vllm", "large-70b", generates=True)
REMOTE = Model("small-8b", "openai", "small-8b", generates=True)
GUARD = Model("vllm/guard", "vllm", "guard", generates=True, guards=True)
EMBEDDING = Model("st/minilm", "st", "minilm", generates=False, kind="embedding")

SHIELDS = ("guard", "output_guard", "inout_guard")
STORES = ("vs_docs", "vs_runbooks")

OFFER = Catalogue((GUARD, EMBEDDING, SMALL, LARGE, REMOTE), SHIELDS, STORES)
EMPTY = Catalogue((), (), ())
