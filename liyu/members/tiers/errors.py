"""What can go wrong with tiers."""

from liyu.core.errors import DomainError
from liyu.core.i18n import N_


class TiersChangedError(DomainError):
    """Somebody else has changed the tiers since they were shown."""

    code = "tiers_changed"
    message = N_("The tiers were changed in the meantime. Look at them again before you save.")


class NotATierDayError(DomainError):
    """A tier cannot be set through a day that is over."""

    code = "day_is_over"
    status = 422
    message = N_("The last day must lie ahead, within ten years.")


class MemberHasEndedError(DomainError):
    """The membership is closed or was merged into another."""

    code = "member_closed"
    message = N_("The membership is closed.")
