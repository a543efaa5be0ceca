"""What can go wrong with a drop."""

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_


class UnknownDropError(NotFoundError):
    """No drop has this number."""

    code = "unknown_drop"
    message = N_("There is no such drop.")


class NotPlannableError(DomainError):
    """The drop cannot be planned or announced like this; `reasons` says all that stands against it."""

    code = "not_plannable"
    message = N_("The drop cannot be planned like this.")


class DropStateError(DomainError):
    """The drop is past this step."""

    code = "drop_state"
    message = N_("The drop is past this step.")


class ListClosedError(DomainError):
    """The waiting list is not open: before the first wave and after the end."""

    code = "list_closed"
    message = N_("The waiting list is not open.")


class StillLeftError(DomainError):
    """Nobody waits while there is something left."""

    code = "still_left"
    message = N_("%(left)s left: redeem it now, there is nothing to wait for.")


class TooManyUnitsError(DomainError):
    """More units than one order may have."""

    code = "too_many_units"
    message = N_("At most %(limit)s in one order.")


class NotWaitingError(DomainError):
    """The member has no place on the list."""

    code = "not_waiting"
    message = N_("You are not on the waiting list.")
