"""uvicorn's HTTP, except that a response can get at its connection.

uvicorn closes a connection by waiting until its client has taken everything, for ever if need be.
Who takes nothing can be cut off only at the transport.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.routes.watch import EXTENSION


class TurnstileProtocol(HttpToolsProtocol):
    """Names the transport in the scope of every request."""

    def on_message_begin(self) -> None:
        """Make the scope of a request."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"transport": self.transport}}

    def abort(self) -> None:
        """Close the connection without waiting for anything."""
        self.transport.abort()
