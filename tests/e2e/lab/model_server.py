"""The scripted model behind an OpenAI-compatible address; see `script/` for what it says.

`GET /lab/requests` tells what it was asked, `DELETE /lab/requests` forgets it.
"""

import argparse
import socket
from itertools import count
from typing import Any

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.e2e.lab.chat_request import ChatRequest
from tests.e2e.lab.embeddings import EMBED, embedded
from tests.e2e.lab.guard import GUARD, GUARDS, category
from tests.e2e.lab.observations import Observation
from tests.e2e.lab.pace import NATURAL, Pace
from tests.e2e.lab.reply import FIRST_MODEL, SECOND_MODEL, reply_to
from tests.e2e.lab.speech import Speech, failure

MODELS = (FIRST_MODEL, SECOND_MODEL, *GUARDS, EMBED)
ANNOUNCEMENT = "The model is at "
KEPT = 1_000


class ScriptedModel:
    """The handlers of the routes, and what they remember."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._numbers = count(1)
        self._seen: list[Observation] = []

    def app(self) -> Starlette:
        """Return the application."""
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
                Route("/v1/embeddings", self.embeddings, methods=["POST"]),
                Route("/v1/moderations", self.moderations, methods=["POST"]),
                Route("/v1/models", self.models),
                Route("/health", self.health),
                Route("/v1/health", self.health),
                Route("/lab/requests", self.requests),
                Route("/lab/requests", self.forget, methods=["DELETE"]),
            ]
        )

    async def chat(self, request: Request) -> Response | Speech:
        """Answer with what the script says."""
        asked = ChatRequest.parsed(await request.json())
        seen = Observation(next(self._numbers), asked)
        self._seen = [*self._seen, seen][-KEPT:]
        try:
            reply = reply_to(asked, call_prefix=f"call_{seen.number:06}_")
        except ValidationError as error:
            seen.end("failed")
            return JSONResponse(failure(400, str(error)), 400)
        return Speech(reply, seen, self._pace.changed(reply.controls.pause_ms))

    async def embeddings(self, request: Request) -> Response:
        """Answer with hashed bags of words."""
        return JSONResponse(embedded(await request.json()))

    async def moderations(self, request: Request) -> Response:
        """Answer with what the guard finds."""
        body = await request.json()
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        return JSONResponse({"id": "modr-1", "model": GUARD, "results": [*map(_result, texts)]})

    async def models(self, _: Request) -> Response:
        """Answer with the names of the models."""
        models = [
            {"id": each, "object": "model", "created": 0, "owned_by": "lab"} for each in MODELS
        ]
        return JSONResponse({"object": "list", "data": models})

    async def health(self, _: Request) -> Response:
        """Answer that the server answers."""
        return JSONResponse({"status": "ok"})

    async def requests(self, request: Request) -> Response:
        """Answer with the chat requests seen, the oldest first; `?model=` leaves out others."""
        wanted = request.query_params.get("model")
        seen = [each for each in self._seen if wanted in {None, each.request.model}]
        return JSONResponse({"requests": [each.shown() for each in seen]})

    async def forget(self, _: Request) -> Response:
        """Forget the chat requests seen."""
        self._seen = []
        return Response(status_code=204)


def _result(text: str) -> dict[str, Any]:
    code = category(text)
    return {
        "flagged": code is not None,
        "categories": {code: True} if code else {},
        "category_scores": {code: 1.0} if code else {},
    }


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pause-ms", type=float, default=2, help="pause between tokens")
    parser.add_argument("--natural", action="store_true", help="speak as a real model does")
    options = parser.parse_args()
    pace = NATURAL if options.natural else Pace(options.pause_ms)
    listener = socket.create_server(("127.0.0.1", options.port))
    config = uvicorn.Config(ScriptedModel(pace).app(), log_level="critical")
    print(f"{ANNOUNCEMENT}http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
