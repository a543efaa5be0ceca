"""What can go wrong with gift codes."""

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_


class MistypedCodeError(DomainError):
    """The check letter does not fit: nobody was asked whether there is such a code."""

    status = 422
    code = "mistyped_code"
    message = N_("There is a typing error in the code: a letter is wrong, missing or doubled.")


class UnknownGiftCodeError(NotFoundError):
    """No such code, not activated yet, or cancelled: one answer for all (docs/rules.md 11)."""

    code = "unknown_gift_code"
    message = N_("This code cannot be redeemed. Look at it again, letter by letter.")


class GiftCodeUsedError(DomainError):
    """Somebody has redeemed it."""

    code = "gift_code_used"
    message = N_("This code has been redeemed already.")


class GiftCodeTooEarlyError(DomainError):
    """Its days have not begun."""

    code = "gift_code_too_early"
    message = N_("This code can be redeemed from %(day)s on.")


class GiftCodeOverError(DomainError):
    """Its days are over."""

    code = "gift_code_over"
    message = N_("This code could be redeemed until %(day)s.")


class GiftCodeLimitError(DomainError):
    """The person behind the member has redeemed as many codes of the batch as one may."""

    code = "limit_reached"
    message = N_("Each person may redeem %(limit)s of these codes, over all memberships, and you have.")


class UnknownBatchError(NotFoundError):
    """No batch has this id."""

    code = "unknown_batch"
    message = N_("There is no such batch of codes.")


class OwnBatchError(DomainError):
    """More than one person may give away in a day with codes of their own making."""

    code = "own_batch"
    message = N_(
        "You made this batch: of your own you activate up to %(units)s units or %(points)s points a day. "
        "Somebody else activates more."
    )


class NothingInRangeError(DomainError):
    """No code of the range can take this step."""

    code = "nothing_in_range"
    message = N_("No code in this range can take this step: they are used, cancelled, or there already.")


class ListGoneError(DomainError):
    """The list of codes was fetched, or its days are over."""

    code = "list_gone"
    message = N_("The list of codes was fetched already, or its days are over. It is kept nowhere else.")
