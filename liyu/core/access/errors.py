from liyu.core.errors import DomainError
from liyu.core.i18n import N_


class SignInRequiredError(DomainError):
    """Nobody is signed in, or the session has ended."""

    status = 401
    code = "sign_in_required"
    message = N_("Please sign in first.")


class ApiKeyRequiredError(DomainError):
    """No key came with the request, or it is unknown or revoked: one answer for all three."""

    status = 401
    code = "api_key_required"
    message = N_("Send a valid API key as a bearer token.")


class ScopeMissingError(DomainError):
    """The key is valid but was not made for this."""

    status = 403
    code = "scope_missing"
    message = N_("This API key lacks the scope %(scope)s.")


class EmailTakenError(DomainError):
    """A staff account with this e-mail exists."""

    code = "email_taken"
    message = N_("An account with this e-mail exists already.")


class UnknownRoleError(DomainError):
    """The audience has no such role."""

    status = 422
    code = "unknown_role"
    message = N_("There is no role “%(role)s” here. Known roles: %(known)s.")
