"""What a Kubernetes API server is asked: whose a token is, and whether that one may come in."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio

from service.access.authenticators.exchange import Exchange, NoAnswer
from service.access.claims import is_user
from service.settings.access import KubernetesSettings

type User = Mapping[str, object]
"""A user as the API server describes it: `username`, `uid`, `groups`, `extra`."""

_RESOURCES: Mapping[str, tuple[str, str]] = {
    "TokenReview": ("authentication.k8s.io/v1", "tokenreviews"),
    "SubjectAccessReview": ("authorization.k8s.io/v1", "subjectaccessreviews"),
}
_USER_FIELDS = ("uid", "groups", "extra")


class Cluster:
    """One API server, asked with our own token."""

    def __init__(self, exchange: Exchange, settings: KubernetesSettings) -> None:
        self._exchange = exchange
        self._settings = settings

    def running(self) -> AbstractAsyncContextManager[None]:
        """Hold the connections until the context is left."""
        return self._exchange.running()

    async def owner(self, token: str) -> User | None:
        """Return whose token this is, None if nobody's or not for us (TokenReview).

        Raises:
            NoAnswer: it cannot be told.
        """
        audiences = list(self._settings.audiences)
        spec: dict[str, object] = {"token": token}
        if audiences:
            spec["audiences"] = audiences
        review = await self._review("TokenReview", spec)
        if review.get("authenticated") is not True:
            return None
        # A server that knows no audiences takes every token for its own: it names none then.
        if audiences and not _shares(audiences, review.get("audiences")):
            return None
        user = review.get("user")
        return user if isinstance(user, dict) and is_user(user.get("username")) else None

    async def admits(self, user: User) -> bool:
        """Tell whether somebody may use the service (SubjectAccessReview).

        Raises:
            NoAnswer: it cannot be told.
        """
        spec: dict[str, object] = {"user": user["username"]}
        spec |= {name: user[name] for name in _USER_FIELDS if name in user}
        spec["nonResourceAttributes"] = {"path": self._settings.path, "verb": "get"}
        review = await self._review("SubjectAccessReview", spec)
        return review.get("allowed") is True and review.get("denied") is not True

    async def _review(self, kind: str, spec: Mapping[str, object]) -> Mapping[str, Any]:
        """Return the status of a review."""
        version, resource = _RESOURCES[kind]
        body = {"apiVersion": version, "kind": kind, "spec": spec}
        url = f"{str(self._settings.api_url).rstrip('/')}/apis/{version}/{resource}"
        headers = {"Authorization": f"Bearer {await self._own_token()}"}
        answer = await self._exchange.ask("POST", url, body, headers)
        status = answer.get("status")
        if answer.get("kind") != kind or not isinstance(status, dict):
            raise NoAnswer(f"the answer is no {kind}")
        return status

    async def _own_token(self) -> str:
        """Return our token as it is now: the kubelet writes a new one before the old one ends."""
        file = anyio.Path(self._settings.token_file)
        try:
            token = (await file.read_text(encoding="ascii")).strip()
        except (OSError, ValueError) as failed:
            raise NoAnswer("kubernetes.token_file cannot be read") from failed
        if not token or not token.isprintable():
            raise NoAnswer("kubernetes.token_file has no token")
        return token


def _shares(wanted: list[str], given: object) -> bool:
    return isinstance(given, list) and any(each in given for each in wanted)
