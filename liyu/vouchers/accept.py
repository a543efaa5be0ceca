"""Whether a voucher is accepted: the reasons against it, in the order in which they are told. Pure, without any I/O."""

from datetime import datetime, timedelta
from typing import NamedTuple

from liyu.core.clock import local_date
from liyu.vouchers.errors import (
    AlreadyVerifiedError,
    AlreadyVerifiedSomewhereError,
    ClaimNeededError,
    ConfirmationNeededError,
    DailyLimitError,
    GiftPendingError,
    MemberDailyLimitError,
    MemberFrozenError,
    NotActivatedError,
    NotYetValidError,
    NowhereTakenError,
    OtherStoreError,
    PinLockedError,
    StaleTokenError,
    StoreDailyLimitError,
    UnknownStoreError,
    UnknownVoucherError,
    VoucherCancelledError,
    VoucherExpiredError,
    VoucherFrozenError,
    VoucherRefusedError,
    WrongPartnerError,
    WrongPinError,
    WrongStoreError,
)
from liyu.vouchers.load import MOST_NAMED
from liyu.vouchers.pins import Pins, tries_of
from liyu.vouchers.serials import serial_of
from liyu.vouchers.state import StoreName, TillState, TillStore, VoucherState
from liyu.vouchers.tokens import Form, Presented


class Asked(NamedTuple):
    """Who asks where. `partner_id` None is the operator, who may verify the vouchers of any partner."""

    partner_id: int | None
    store: TillStore | None
    names_store: bool
    """Whether a store was named at all; without one that exists it is a wrong store, not a missing one."""


def stand_at(
    state: TillState, *, store_code: str | None, allowed_store_id: int | None, partner_id: int | None
) -> Asked | OtherStoreError:
    """Where the verifier stands: at the open store that they named, at their own one, or nowhere.

    A store that is not there is no fault of its own: whether it matters depends on the voucher, and a stranger's code must
    be answered the same at every store. It is a fault when a cashier of one store names another.
    """
    if store_code is not None:
        store = state.store_called(store_code)
    else:
        store = state.store_with(allowed_store_id) if allowed_store_id is not None else None
    if allowed_store_id is not None and (store is None or store.id != allowed_store_id):
        return OtherStoreError()
    return Asked(partner_id, store, store is not None or store_code is not None)


def find_voucher(state: TillState, presented: Presented | None) -> VoucherState | None:
    """The voucher behind what was shown; none for a code that was made before it changed hands."""
    voucher = state.vouchers.get(presented.voucher_id) if presented else None
    return voucher if voucher and presented and voucher.generation == presented.generation else None


def is_misplaced(state: TillState, voucher: VoucherState, asked: Asked) -> bool:
    """Whether the store does not take the voucher; the operator's own vouchers are taken anywhere."""
    if voucher.partner_id is None:
        return False
    if asked.store is None or asked.store.partner_id != voucher.partner_id:
        return True
    stores = state.items[voucher.item_id].store_ids
    return stores is not None and asked.store.id not in stores


def find_refusal(
    state: TillState, presented: Presented | None, voucher: VoucherState | None, asked: Asked, *, in_hand: bool = False
) -> VoucherRefusedError | None:
    """The first reason against a voucher, or None. The order keeps a stranger from learning anything about it.

    `in_hand`: whoever holds it has just shown it in the wallet.
    """
    if presented is None or voucher is None:
        return UnknownVoucherError()
    if asked.partner_id is not None and voucher.partner_id != asked.partner_id:
        return WrongPartnerError()
    return (
        _refuse_by_time(state, voucher)
        or _refuse_by_owner(voucher)
        or _refuse_by_place(state, voucher, asked)
        or _refuse_by_use(voucher)
        or _refuse_by_day(state, voucher, asked)
        or (StaleTokenError() if presented.stale else None)
        or (None if in_hand else _refuse_by_paper(state, presented, voucher))
    )


def _refuse_by_time(state: TillState, voucher: VoucherState) -> VoucherRefusedError | None:
    if voucher.state == "cancelled":
        return VoucherCancelledError()
    if voucher.state == "expired" or state.now >= voucher.expires_at:
        return VoucherExpiredError(day=last_day_of(voucher.expires_at, state))
    terms = state.items[voucher.item_id].till
    starts = max(voucher.issued_at, terms.usable_from) if terms and terms.usable_from else voucher.issued_at
    return NotYetValidError(starts=starts) if state.now < starts else None


def _refuse_by_owner(voucher: VoucherState) -> VoucherRefusedError | None:
    if voucher.state == "offered":
        return GiftPendingError()
    if voucher.state == "printed":
        return NotActivatedError()
    if voucher.is_frozen:
        return VoucherFrozenError()
    return MemberFrozenError() if voucher.member_state == "frozen" else None


def _refuse_by_place(state: TillState, voucher: VoucherState, asked: Asked) -> VoucherRefusedError | None:
    if not is_misplaced(state, voucher, asked):
        return None
    if not asked.names_store:
        return UnknownStoreError()
    taken_at = state.taken_at.get(voucher.id)
    if not taken_at:
        return NowhereTakenError()
    return WrongStoreError(stores={"zh": _list_names(taken_at, "、"), "en": _list_names(taken_at, ", ")})


def _list_names(stores: list[StoreName], separator: str) -> str:
    names = [one.zh if separator == "、" else one.en or one.zh for one in stores]
    return separator.join(names[:MOST_NAMED]) + ("…" if len(names) > MOST_NAMED else "")


def _refuse_by_use(voucher: VoucherState) -> VoucherRefusedError | None:
    last = voucher.last_use
    if voucher.uses < voucher.uses_allowed or last is None:
        return None
    if last.store is None:
        return AlreadyVerifiedSomewhereError(used_at=last.verified_at)
    return AlreadyVerifiedError(used_at=last.verified_at, store={"zh": last.store.zh, "en": last.store.en})


_DAY_REFUSALS = {"voucher": DailyLimitError, "member": MemberDailyLimitError, "store": StoreDailyLimitError}


def _refuse_by_day(state: TillState, voucher: VoucherState, asked: Asked) -> VoucherRefusedError | None:
    reached = (limit for limit in state.limits_of(voucher, asked.store) if limit.used >= limit.cap)
    return next((_DAY_REFUSALS[limit.whose](limit=limit.cap) for limit in reached), None)


def _refuse_by_paper(state: TillState, presented: Presented, voucher: VoucherState) -> VoucherRefusedError | None:
    """A code that does not renew may be a copy, so its holder is asked; a printed one that is in no wallet has none."""
    terms = state.items[voucher.item_id].till
    if terms is None or not terms.paper_confirmed or presented.form is Form.DYNAMIC:
        return None
    if voucher.member_id is None:
        return ClaimNeededError()
    is_confirmed = voucher.paper_until is not None and state.now < voucher.paper_until
    return None if is_confirmed else ConfirmationNeededError()


def refuse_by_pin(state: TillState, voucher: VoucherState, pins: Pins, typed: str) -> VoucherRefusedError | None:
    """What speaks against a PIN that is told in place of the confirmation; a wrong one is counted for the voucher."""
    tries = (tries_of(voucher.id),)
    if state.guesses.find_excess(tries):
        return PinLockedError()
    if pins.fits(serial_of(voucher.id, voucher.generation), voucher.uses, typed):
        return None
    state.guesses.count(tries)
    return WrongPinError(left=state.guesses.count_left(tries[0]))


def last_day_of(expires_at: datetime, state: TillState) -> object:
    """The last day of validity in the program's time zone."""
    return local_date(expires_at - timedelta(microseconds=1), state.zone)
