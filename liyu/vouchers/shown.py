"""What a till shows: what it asks, what can be read of it, where it was shown, and what is kept of an attempt."""

from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from liyu.core.limits import LimitExceededError, Subject
from liyu.vouchers.accept import Asked, find_voucher, is_misplaced, stand_at
from liyu.vouchers.errors import Attempt, OtherStoreError, UnknownVoucherError, VoucherRefusedError
from liyu.vouchers.load import NO_VOUCHER, Question
from liyu.vouchers.pins import tries_of
from liyu.vouchers.state import DayLimit, TillState, VoucherState
from liyu.vouchers.tokens import Form, Presented, Tokens

ALL_GUESSES: Subject = ("verify_failure_all", "all")
"""Under which limit everybody's unknown codes are counted together."""


class VerifyRequest(Struct, frozen=True, kw_only=True):
    """What a till asks. The same verifier and nonce are the same wish, however often they come."""

    text: str
    """A typed code or the contents of a QR, as scanned."""
    store_code: str | None
    nonce: str
    """The till's own, new for each customer; none where a voucher is only looked at."""
    verifier: str
    """Who verifies: `staff:12` or `key:3`."""
    partner_id: int | None
    """The partner that the verifier works for; None is the operator, who may verify every voucher."""
    allowed_store_id: int | None = None
    """The only store of a cashier who is bound to one."""
    in_hand: bool = False
    """Whether its holder showed it in the wallet a moment ago."""
    pin: str | None = None
    """What the holder said, where the item wants their word and it was not confirmed in the wallet."""
    subjects: tuple[Subject, ...] = ()
    """Under which limits unknown codes are counted, such as a key and an address; none for a voucher that was shown here before,
    which is no guess."""


class Shown(Struct, frozen=True):
    """A request with what was read of its text."""

    request: VerifyRequest
    presented: Presented | None
    question: Question


class Placed(NamedTuple):
    """The same with the store where it was shown, or why not there, and the voucher if it is one."""

    shown: Shown
    asked: Asked | OtherStoreError
    voucher: VoucherState | None


def read_request(request: VerifyRequest, tokens: Tokens, now: datetime) -> Shown:
    """What a till shows, as far as it can be told without the database."""
    presented = tokens.read(request.text, now)
    store_code = (request.store_code or "").strip() or None
    question = Question(
        presented.voucher_id if presented else NO_VOUCHER,
        request.verifier,
        request.nonce,
        store_code,
        request.allowed_store_id,
        _guesses_of(request, store_code),
        (tries_of(presented.voucher_id),) if request.pin and presented else (),
    )
    return Shown(request, presented, question)


def _guesses_of(request: VerifyRequest, store_code: str | None) -> tuple[Subject, ...]:
    """Under which limits an unknown code counts. A store's is its partner's own: others who name it count for themselves."""
    if not request.subjects:
        return ()
    store = (("verify_failure_store", f"{request.partner_id} {store_code.upper()}"),) if store_code else ()
    return (*request.subjects, *store, ALL_GUESSES)


def place(state: TillState, shown: Shown) -> Placed:
    """Where it is shown, and which voucher it is."""
    question = shown.question
    asked = stand_at(
        state,
        store_code=question.store_code,
        allowed_store_id=question.store_id,
        partner_id=shown.request.partner_id,
    )
    return Placed(shown, asked, find_voucher(state, shown.presented))


def find_misplaced(state: TillState, placed: list[Placed]) -> list[int]:
    """Vouchers that were shown at a store that does not take them."""
    return sorted(
        {
            one.voucher.id
            for one in placed
            if one.voucher is not None and isinstance(one.asked, Asked) and is_misplaced(state, one.voucher, one.asked)
        }
    )


def find_limits(state: TillState, placed: list[Placed]) -> set[DayLimit]:
    """The limits of the day that what was shown may meet."""
    return {
        limit
        for one in placed
        if one.voucher is not None and isinstance(one.asked, Asked)
        for limit in state.limits_of(one.voucher, one.asked.store)
    }


def find_excess(state: TillState, shown: Shown) -> LimitExceededError | None:
    """Why the till may type no more codes for a while, if so. Nobody guesses a QR code, so it can still scan."""
    return None if is_signed(shown.presented) else state.guesses.find_excess(shown.question.subjects)


def note_refusal(state: TillState, placed: Placed, refusal: VoucherRefusedError) -> Attempt:
    """What is kept of a refused attempt; an unknown code is counted."""
    shown, asked, voucher = placed
    store = asked.store if isinstance(asked, Asked) else None
    refusal.attempt = Attempt(
        shown.request.verifier,
        store.id if store else None,
        voucher.id if voucher else None,
        refusal.code,
        state.now,
        shown.request.partner_id,
    )
    if isinstance(refusal, UnknownVoucherError):
        state.guesses.count(shown.question.subjects)
    return refusal.attempt


def is_signed(presented: Presented | None) -> bool:
    """Whether it was a QR code, which nobody guesses."""
    return presented is not None and presented.form is not Form.CODE
