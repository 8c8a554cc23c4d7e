"""A Kubernetes cluster, whose API server is played below httpx."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from service.access.authenticators.cluster import Cluster
from service.access.authenticators.exchange import open_exchange
from service.access.authenticators.kubernetes import Kubernetes
from service.errors import ServiceError
from service.settings.access import KubernetesSettings
from tests.support.clock import Clock
from tests.support.played_server import Answer, PlayedServer, held, says

type Running = Callable[..., AbstractAsyncContextManager[Kubernetes]]

URL = "https://cluster.test/prefix"
TOKENS = "/prefix/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS = "/prefix/apis/authorization.k8s.io/v1/subjectaccessreviews"
TTL_S = 60.0
REFUSED_TTL_S = 5.0
SENT = "caller-s3cr3t"
OWN = "own-s3cr3t"
USER = {
    "username": "system:serviceaccount:apps:bot",
    "uid": "0b1c",
    "groups": ["system:serviceaccounts", "system:authenticated"],
    "extra": {"authentication.kubernetes.io/pod-name": ["bot-0"]},
}
DOWN = httpx.ConnectError("refused")


def review(kind: str, **status: object) -> Answer:
    """Return what the server says of a token, or of somebody who wants to come in."""
    return says({"kind": kind, "apiVersion": "x/v1", "status": status}, 201)


def known(**changed: object) -> Answer:
    """Return the review of a token that the server knows."""
    return review("TokenReview", authenticated=True, user=USER, **changed)


UNKNOWN = review("TokenReview", error="[invalid bearer token]")
ADMITTED = review("SubjectAccessReview", allowed=True)
KEPT_OUT = review("SubjectAccessReview", allowed=False, reason="no RBAC policy matched")


@pytest.fixture
def server() -> PlayedServer:
    """Return an API server that knows everybody and lets everybody in."""
    return PlayedServer("https://cluster.test").on(TOKENS, known()).on(ACCESS, ADMITTED)


@pytest.fixture
def clock() -> Clock:
    """Return how old answers are."""
    return Clock()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Return where our own token is."""
    path = tmp_path / "token"
    path.write_text(OWN + "\n")
    return path


@pytest.fixture
def running(server: PlayedServer, clock: Clock, token_file: Path) -> Running:
    """Return what runs the authenticator on the server."""

    @asynccontextmanager
    async def run(**changed: object) -> AsyncIterator[Kubernetes]:
        given: dict[str, object] = {
            "api_url": URL,
            "token_file": token_file,
            "ca_file": None,
            "cache_ttl_s": TTL_S,
        }
        settings = KubernetesSettings.model_validate(given | changed)
        exchange = open_exchange("kubernetes", settings.api_url, None, settings.timeout_s)
        authenticator = Kubernetes(Cluster(exchange, settings), settings.cache_ttl_s, clock)
        async with server.playing(), held(authenticator.running()):
            yield authenticator

    return run


async def refused(
    authenticator: Kubernetes, error: type[ServiceError], sent: str | None = SENT
) -> str:
    """Return why a token is not taken."""
    with pytest.raises(error) as raised:
        await authenticator.identify(sent)
    assert type(raised.value) is error
    return raised.value.cause
