"""Why a voucher is not accepted, in words for the till and codes for programs."""

from datetime import datetime

from msgspec import Struct

from liyu.core.errors import DomainError, NotAllowedError, NotFoundError, Reason
from liyu.core.i18n import N_, Message


class Attempt(Struct, frozen=True):
    """A refused attempt, as it is kept: who, where, which voucher if it was one, why. Never the scan itself."""

    verifier: str
    store_id: int | None
    voucher_id: int | None
    code: str
    at: datetime
    partner_id: int | None = None
    """For whom they work; None is the operator."""


class VoucherRefusedError(DomainError):
    """The voucher is not accepted here and now; nothing has changed."""

    attempt: Attempt | None = None
    """Set when the attempt was noted to be kept."""

    def __init__(self, **details: object) -> None:
        super().__init__(reasons=[Reason(self.code, Message(self.message, details), details)], **details)


class UnknownVoucherError(VoucherRefusedError):
    """Mistyped, made up, forged or of another installation: one answer for all."""

    status = 404
    code = "unknown_voucher"
    message = N_("No voucher has this code. Please check it and try again.")


class UnknownStoreError(VoucherRefusedError):
    """No store was named although the voucher needs one."""

    status = 422
    code = "unknown_store"
    message = N_("Say at which store the voucher is used.")


class WrongPartnerError(VoucherRefusedError):
    """Another partner's voucher; nothing else is told about it."""

    code = "wrong_partner"
    message = N_("This voucher is for another partner.")


class VoucherCancelledError(VoucherRefusedError):
    """The redemption was cancelled and the points went back."""

    code = "cancelled"
    message = N_("This voucher was cancelled.")


class VoucherExpiredError(VoucherRefusedError):
    """`day` is the last day on which it was valid."""

    code = "expired"
    message = N_("This voucher was valid until %(day)s.")


class NotYetValidError(VoucherRefusedError):
    """`starts` is the instant from which it is valid."""

    code = "not_yet_valid"
    message = N_("This voucher is valid from %(starts)s on.")


class GiftPendingError(VoucherRefusedError):
    """It is on its way to another member; whoever offered it may take it back and use it."""

    code = "gift_pending"
    message = N_("This voucher is waiting as a gift. Whoever gives it can take it back in the wallet.")


class NotActivatedError(VoucherRefusedError):
    """Printed for a campaign that has not handed it out yet."""

    code = "not_activated"
    message = N_("This voucher has not been activated yet. Whoever handed it out can tell more.")


class ConfirmationNeededError(VoucherRefusedError):
    """The item wants its holder's word before a code is taken that does not renew: on paper, or typed."""

    code = "confirmation_needed"
    message = N_("Ask the member to confirm this voucher in the wallet, or to tell the PIN that stands there.")


class WrongPinError(VoucherRefusedError):
    """The PIN is not the one in the holder's wallet; `left` is how many more may be tried."""

    code = "wrong_pin"
    message = N_("This is not the PIN of the voucher. Tries left: %(left)s.")


class PinLockedError(VoucherRefusedError):
    """Too many wrong PINs in an hour; only the holder's confirmation in the wallet counts until it is over."""

    code = "pin_locked"
    message = N_(
        "Too many wrong PINs for this voucher. For an hour only the member’s confirmation in the wallet counts."
    )


class ClaimNeededError(VoucherRefusedError):
    """A printed voucher that is in nobody's wallet, of an item that wants its holder's word: nobody could give it."""

    code = "claim_needed"
    message = N_("The member puts this printed voucher into the wallet first, and shows it there.")


class MemberFrozenError(VoucherRefusedError):
    """The member's account is frozen."""

    code = "frozen"
    message = N_("The member’s account is frozen. Customer service can tell them more.")


class VoucherFrozenError(VoucherRefusedError):
    """An operator has frozen this voucher; `voucher_change` says why."""

    code = "frozen"
    message = N_("This voucher is frozen. Customer service can tell more.")


class WrongStoreError(VoucherRefusedError):
    """The item is taken at other stores of the partner."""

    code = "wrong_store"
    message = N_("This voucher is not taken at this store. It is taken at: %(stores)s.")


class NowhereTakenError(VoucherRefusedError):
    """The same while no store that takes it is open."""

    code = "wrong_store"
    message = N_("This voucher is not taken at this store.")


class AlreadyVerifiedError(VoucherRefusedError):
    """All uses are gone. Told only to the voucher's own partner and the operator."""

    code = "already_verified"
    message = N_("This voucher is used up; last on %(used_at)s at %(store)s.")


class AlreadyVerifiedSomewhereError(VoucherRefusedError):
    """The same for a use that was verified without a store."""

    code = "already_verified"
    message = N_("This voucher is used up; last on %(used_at)s.")


class DailyLimitError(VoucherRefusedError):
    """The item may be used so often in a day, by voucher, by member or by store; `limit` is how often."""

    code = "daily_limit"
    message = N_("This voucher may be used %(limit)s times a day, and was. It can be used again tomorrow.")


class MemberDailyLimitError(VoucherRefusedError):
    """The same over all vouchers of the item that the member holds."""

    code = "daily_limit"
    message = N_(
        "The member may use %(limit)s vouchers of this kind a day, and did. The next one can be used tomorrow."
    )


class StoreDailyLimitError(VoucherRefusedError):
    """The same over all vouchers of the item at the store."""

    code = "daily_limit"
    message = N_(
        "This store may take %(limit)s vouchers of this kind a day, and did. "
        "Another store may still take it, and this one again tomorrow."
    )


class StaleTokenError(VoucherRefusedError):
    """A wallet QR code whose minute is over."""

    code = "stale"
    message = N_("This QR code is out of date. Ask the member to open the voucher once more.")


class OtherStoreError(NotAllowedError):
    """A cashier of one store named another."""

    message = N_("You can verify at your own store only.")


class UnknownVerificationError(NotFoundError):
    """No such verification, or another partner's."""

    code = "unknown_verification"
    message = N_("There is no verification to take back.")


class AlreadyUndoneError(DomainError):
    """It was taken back before."""

    code = "already_undone"
    message = N_("This verification was already taken back.")


class SecondPersonNeededError(DomainError):
    """Above the program's value somebody else than who verified takes it back; `limit_minor` is that value."""

    code = "second_person_needed"
    message = N_("A voucher of this value is taken back by somebody else than who verified it.")


class UndoTooLateError(DomainError):
    """The program's window for taking back is over."""

    code = "undo_too_late"
    message = N_("A verification can be taken back within %(minutes)s minutes; that time is over.")


class VouchersNotCancellableError(DomainError):
    """A voucher of the redemption was used, has run out, was given away or cancelled without its points."""

    code = "voucher_not_cancellable"
    message = N_(
        "A voucher of this redemption was used, given away, cancelled alone or has run out, so it can no longer be cancelled."
    )


class NothingToPrintError(DomainError):
    """The item, or the range of a run, has no voucher that is worth its paper."""

    code = "nothing_to_print"
    message = N_("None of these vouchers can be used, so there is none to print.")


class TooManyToPrintError(DomainError):
    """More than one print may hold; `most` is how many that is."""

    code = "too_many_to_print"
    message = N_("This item has more than %(most)s usable vouchers, which is the most that one print holds.")


class PrintNotReadyError(DomainError):
    """Somebody was quicker: what is finished cannot be stopped, and what prints needs no resuming."""

    code = "print_not_ready"
    message = N_("This print has gone on meanwhile. Please look again.")
