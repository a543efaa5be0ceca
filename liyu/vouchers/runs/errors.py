"""Why a run is not made, its numbers not decided, and a printed voucher not put into a wallet."""

from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.vouchers.errors import VoucherRefusedError


class NothingInRangeError(DomainError):
    """No voucher of these numbers waits for it: they were activated, withdrawn or ran out before."""

    code = "nothing_in_range"
    message = N_("No voucher of these numbers can be activated or withdrawn any more.")


class RunNameTakenError(DomainError):
    """Another run has this name; a second tap on the button meets it, too."""

    code = "name_taken"
    message = N_("There is a run of this name already.")


class ItemNotForRunsError(DomainError):
    """The item gives no vouchers, is not live, or is sold in drops."""

    code = "item_does_not_fit"
    message = N_("This item cannot be printed for a campaign: choose a live right or coupon that is not sold in drops.")


class OwnRunError(DomainError):
    """More than one person may hand out in a day of runs of their own making."""

    code = "own_run"
    message = N_(
        "You made this run: of your own you activate up to %(units)s numbers a day. Somebody else activates more."
    )


class NotEnoughStockError(DomainError):
    """The item has fewer units left than the run has numbers; `left` is how many."""

    code = "not_enough_stock"
    message = N_("Only %(left)s units of this item are in stock. Add stock first, or print fewer.")


class CannotClaimError(DomainError):
    """The member's account is frozen, closed or not activated."""

    code = "cannot_claim"
    message = N_("Your account cannot take vouchers at the moment. Customer service can tell you more.")


class InWalletError(VoucherRefusedError):
    """Somebody has put it into a wallet, or redeemed it. Told only to whoever has a right code of it."""

    code = "in_wallet"
    message = N_("This voucher is in somebody’s wallet already. Only they can use it, or give it away.")


class SpentError(VoucherRefusedError):
    """All its uses are gone."""

    code = "already_verified"
    message = N_("This voucher is used up.")
