"""Why a voucher is not given, and why a gift is not accepted."""

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_


class NotGiftableError(DomainError):
    """The voucher cannot be given away now; the reasons say everything that is in the way."""

    code = "not_giftable"
    message = N_("This voucher cannot be given away.")


class TooManyGiftsError(DomainError):
    """The member has offered as many vouchers today as the program allows; `most` is how many that is."""

    status = 429
    code = "too_many_gifts"
    message = N_("You can offer up to %(most)s vouchers a day. Tomorrow you can go on.")


class UnknownGiftError(NotFoundError):
    """No such link."""

    code = "unknown_gift"
    message = N_("This link leads to no gift. Please ask whoever sent it.")


class GiftOverError(DomainError):
    """Somebody was quicker, or its time is over; it is not told which."""

    code = "gift_over"
    message = N_("This gift can no longer be accepted: it was taken, taken back, or its time is over.")


class GiftHeldError(DomainError):
    """The voucher or whoever gives it is frozen; it is not told which."""

    code = "gift_held"
    message = N_("This gift cannot be accepted at the moment. Please ask whoever sent it.")


class OwnGiftError(DomainError):
    """Whoever offers a gift takes it back instead of accepting it."""

    code = "own_gift"
    message = N_("This is your own gift. You can take it back in your wallet.")


class CannotReceiveError(DomainError):
    """The receiver's account is frozen, closed or not activated."""

    code = "cannot_receive"
    message = N_("Your account cannot receive vouchers at the moment. Customer service can tell you more.")
