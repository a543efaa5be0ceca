"""What can go wrong with after-sale requests."""

from liyu.core.errors import DomainError
from liyu.core.i18n import N_


class NotOfferedError(DomainError):
    """The order's kind, state or age does not allow this request."""

    code = "after_sale_not_offered"
    message = N_("This is not possible for this order any more.")


class RequestOpenError(DomainError):
    """One request at a time."""

    code = "after_sale_open"
    message = N_("There is an open request for this order already.")


class RequestMovedError(DomainError):
    """The request is not in a state from which this step follows."""

    code = "after_sale_moved"
    message = N_("The request has moved on meanwhile; look at it again.")
