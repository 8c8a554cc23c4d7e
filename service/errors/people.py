"""Who may not do what, or not now."""

from service.errors.base import ServiceError


class CredentialMissing(ServiceError):
    """The request says not who makes it."""

    code = "credential_missing"
    status_code = 401
    response = "This needs a credential."


class CredentialInvalid(ServiceError):
    """The credential is none that is taken here, or no longer."""

    code = "credential_invalid"
    status_code = 401
    response = "The credential is not valid."


class CredentialExpired(CredentialInvalid):
    """The credential was taken here until it ended."""

    code = "credential_expired"
    response = "The credential has expired; come back with a new one."


class AuthenticationUnavailable(ServiceError):
    """Who makes the request cannot be told now."""

    code = "authentication_unavailable"
    status_code = 503
    response = "Credentials cannot be checked for now; try again."
    retry_after_s = 5


class Forbidden(ServiceError):
    """The caller may not do this."""

    code = "forbidden"
    status_code = 403
    response = "You may not do this."


class QuotaExceeded(ServiceError):
    """A quota has too few tokens left for one more turn."""

    code = "quota_exceeded"
    status_code = 429
    response = "The quota is used up."

    def __init__(self, cause: str, retry_after_s: int | None = None) -> None:
        super().__init__(cause)
        self.retry_after_s = retry_after_s


class RateExceeded(ServiceError):
    """The caller has started as many turns in a minute as it may."""

    code = "rate_exceeded"
    status_code = 429
    response = "Too many turns in a short time."

    def __init__(self, cause: str, retry_after_s: int) -> None:
        super().__init__(cause)
        self.retry_after_s = retry_after_s
