"""How the OpenAPI document is made: from the table of routes, the bodies and the errors."""

from service.routes.openapi.build import document

__all__ = ["document"]
