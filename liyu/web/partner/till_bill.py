"""Several coupons on one bill at the till: added one after the other, explained together, used all at once or not at all."""

from dataclasses import dataclass, field
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.core.ids import make_token
from liyu.core.limits import LimitExceededError
from liyu.redemption.fulfil import complete_when_used_up
from liyu.vouchers.bills import (
    LARGEST_BILL,
    CouponsRefusedError,
    NoCouponError,
    bill_of_nonce,
    bill_of_partner,
    verify_together,
)
from liyu.vouchers.check import Checked, check, show
from liyu.vouchers.coupons import coupons_by_id
from liyu.vouchers.errors import ConfirmationNeededError, StaleTokenError, VoucherRefusedError
from liyu.vouchers.stacking import MOST_TOGETHER, Combination, Coupon, Objection
from liyu.vouchers.stacking import check as check_together
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.coupon_words import say_benefit, say_objection
from liyu.web.formats import current_zone
from liyu.web.forms import Form, IntegerField, MoneyField, TextField
from liyu.web.i18n import translate
from liyu.web.pages import Page, page, redirect
from liyu.web.partner.staff import AnyRequest, now_of, partner_id_of
from liyu.web.partner.till import (
    HOME,
    WORDS,
    Entry,
    Till,
    begin_anew,
    open_till,
    read_entry,
    say_excess,
    say_word,
    ticket_of,
    wish_of_entry,
)
from liyu.web.partner.till_tickets import Ticket, count_attempt, read_ticket, wish_of_ticket
from liyu.web.partner.till_wallet import rows_of_wallet
from liyu.web.partner.verifications import FRESH
from liyu.web.visit import visit_of

LONGEST_PIN = 20
_MAY_VERIFY = require_permission("vouchers.verify")
_IS_THERE = N_("This coupon is on the bill already.")


class BillForm(Form):
    store = TextField(required=False, maximum=60)
    nonce = TextField(required=False, maximum=60)
    amount = MoneyField(N_("Amount of the bill"), required=False)
    code = TextField(N_("Voucher code"), required=False, maximum=400)
    drop = IntegerField(required=False, maximum=MOST_TOGETHER, default=MOST_TOGETHER)
    """Which one leaves the bill; past the last one is none."""


@dataclass(slots=True)
class Row:
    """A coupon on its way onto the bill."""

    checked: Checked
    ticket: Ticket
    pin: str
    coupon: Coupon | None = None
    saved_minor: int | None = None
    against: list[str] = field(default_factory=list)
    """Why it is not taken, or not with the others."""


@dataclass(slots=True)
class BillAtTill:
    """All that the page shows of a bill. `fits` once an amount is there and nothing speaks against it."""

    rows: list[Row]
    amount: int | None
    saved: int = 0
    fits: bool = False


@post("/verify/bill", guards=[_MAY_VERIFY])
async def look_at_bill(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The bill with what was added, left out or typed; nothing is used."""
    form, till, rows, _ = await _read(request, session)
    if till.store is None or not rows:
        return begin_anew(request)
    if form.is_valid and form.drop < len(rows):
        del rows[form.drop]
        if not rows:
            return redirect(request, HOME)
    return await _look(request, session, form, till, rows)


@post("/verify/bill/confirm", guards=[_MAY_VERIFY])
async def verify_bill(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Use all coupons of the bill once. The same nonce leads to the same bill, however often it is sent."""
    form, till, rows, is_whole = await _read(request, session)
    connection, services = await driver_connection(session), visit_of(request).services
    if till.store is None or not rows or not is_whole:
        done = await bill_of_nonce(connection, actor_of(request).reference, form.nonce) if form.is_valid else None
        return redirect(request, f"/partner/bills/{done.id}") if done else begin_anew(request)
    if form.is_valid and form.code:
        # One more was typed and not compared yet: nothing is used before somebody saw what it changes.
        return await _look(request, session, form, till, rows)
    amount = _amount_of(form)
    if form.is_valid and amount is None:
        form.refuse(N_("This field is needed."), "amount")
    if not form.is_valid or amount is None:
        bill = await _compare(request, connection, rows, None)
        return _bill_page(request, till, form, bill, status=422)
    await count_attempt(request)
    wishes = [wish_of_ticket(request, till.store_code, row.ticket, pin=row.pin) for row in rows]
    try:
        used = await verify_together(
            connection,
            wishes,
            nonce=form.nonce,
            amount_minor=amount,
            now=now_of(request),
            zone=current_zone(),
            tokens=services.tokens,
            on_used_up=complete_when_used_up,
        )
    except CouponsRefusedError as refusal:
        bill = await _compare(request, connection, rows, amount)
        for place, reason in refusal.refused.items():
            bill.rows[place].against = [_say(reason)]
        # After a wrong or missing word another try is due; anything else has to leave the bill.
        bill.fits = bill.fits and all(isinstance(one, WORDS) for one in refusal.refused.values())
        return _bill_page(request, till, form, bill, status=refusal.status, is_refused=True)
    if not used.repeated:
        for use in used.uses:
            after = {"verification": use.verification_id, "store": till.store_code, "bill": used.id}
            await record_act(request, session, "vouchers.verify", f"voucher:{use.voucher_id}", after=after)
    return redirect(request, f"/partner/bills/{used.id}")


@get("/bills/{bill_id:int}", guards=[require_permission("orders.read")])
async def show_bill(request: AnyRequest, session: NamedDependency[AsyncSession], bill_id: FromPath[int]) -> Page:
    """A bill whose coupons were used, with the way to take one of them back."""
    actor = actor_of(request)
    connection = await driver_connection(session)
    bill = await bill_of_partner(connection, partner_id_of(actor), bill_id, store_id=actor.store_id)
    return page(
        request,
        "partner/till_bill_done.html",
        till=await open_till(request, session),
        bill=bill,
        pay=bill.amount_minor - bill.saved_minor,
        currency=_currency_of(request),
        is_fresh=now_of(request) < bill.at + FRESH,
    )


async def _look(request: AnyRequest, session: AsyncSession, form: BillForm, till: Till, rows: list[Row]) -> Page:
    """The bill, with the coupon that was typed, scanned or chosen, if it can be added."""
    connection = await driver_connection(session)
    choices: list[dict[str, Any]] = []
    if form.is_valid and form.code:
        await count_attempt(request)
        entry = read_entry(request, form.code)
        if entry.wallet is not None and not entry.wallet.stale:
            found, _ = await rows_of_wallet(request, session, till, entry.wallet)
            there = {row.checked.serial for row in rows}
            choices = [one for one in found if one["is_coupon"] and one["serial"] not in there]
        else:
            await _add(request, connection, till, form, rows, entry)
        if "code" not in form.faults or entry.ticket is not None:
            form.raw["code"] = ""
    bill = await _compare(request, connection, rows, _amount_of(form))
    return _bill_page(request, till, form, bill, choices=choices, status=200 if form.is_valid else 422)


async def _read(request: AnyRequest, session: AsyncSession) -> tuple[BillForm, Till, list[Row], bool]:
    """The form, the till, the coupons whose tickets are still good, and whether those are all that were sent."""
    form, sent = await BillForm.read(request), await request.form()
    till = await open_till(request, session, form.raw["store"])
    pins = [str(pin)[:LONGEST_PIN] for pin in sent.getall("pin", [])]
    connection, services = await driver_connection(session), visit_of(request).services
    rows: list[Row] = []
    texts = sent.getall("ticket", [])
    for place, text in enumerate(texts[:MOST_TOGETHER]):
        ticket = read_ticket(request, str(text))
        if ticket is None or not ticket.is_fresh or any(row.checked.serial == ticket.serial for row in rows):
            continue
        wish = wish_of_ticket(request, till.store_code, ticket)
        try:
            checked = await show(connection, wish, now=now_of(request), zone=current_zone(), tokens=services.tokens)
        except VoucherRefusedError:
            continue
        rows.append(Row(checked, ticket, pins[place] if place < len(pins) else ""))
    return form, till, rows, len(rows) == len(texts)


async def _add(
    request: AnyRequest,
    connection: AsyncConnection[Any],
    till: Till,
    form: BillForm,
    rows: list[Row],
    entry: Entry,
) -> None:
    """Look at one more coupon and put it onto the bill, or say at the field why not."""
    if entry.wallet is not None or (entry.ticket is not None and not entry.ticket.is_fresh):
        return form.refuse(StaleTokenError().text, "code")
    if entry.fault is not None:
        return form.refuse(entry.fault, "code")
    wish = wish_of_entry(request, till, entry)
    tokens = visit_of(request).services.tokens
    try:
        checked = await check(connection, wish, now=now_of(request), zone=current_zone(), tokens=tokens)
    except LimitExceededError as excess:
        return form.refuse(say_excess(excess), "code")
    except VoucherRefusedError as refusal:
        return form.refuse(refusal.text, "code")
    if checked.refusal is not None and not isinstance(checked.refusal, ConfirmationNeededError):
        return form.refuse(checked.refusal.text, "code")
    if any(row.checked.voucher_id == checked.voucher_id for row in rows):
        return form.refuse(_IS_THERE, "code")
    if not checked.is_coupon:
        return form.refuse(NoCouponError().text, "code")
    if len(rows) == MOST_TOGETHER:
        return form.refuse(N_("This is as much as goes on one bill."), "code")
    ticket = read_ticket(request, ticket_of(request, entry, checked))
    assert ticket is not None
    rows.append(Row(checked, ticket, ""))
    return None


async def _compare(
    request: AnyRequest, connection: AsyncConnection[Any], rows: list[Row], amount: int | None
) -> BillAtTill:
    """What the coupons take off together, or for each of them why it does not go with the others."""
    currency = _currency_of(request)
    found = {
        one.voucher_id: one
        for one in await coupons_by_id(connection, [row.checked.voucher_id for row in rows], now_of(request))
    }
    for row in rows:
        row.coupon = found.get(row.checked.voucher_id)
        if row.coupon is None:
            row.against = [_say(NoCouponError())]
    bill = BillAtTill(rows, amount)
    result = check_together(list(found.values()), amount if amount is not None else LARGEST_BILL)
    if isinstance(result, Combination):
        saved = {used.coupon.voucher_id: used.saved_minor for used in result.used}
        if amount is not None:
            bill.saved, bill.fits = result.saved_minor, len(found) == len(rows)
            for row in rows:
                row.saved_minor = saved.get(row.checked.voucher_id)
    else:
        _object(rows, result, currency)
    return bill


def _object(rows: list[Row], objections: list[Objection], currency: str) -> None:
    for objection in objections:
        for row in rows:
            if row.checked.voucher_id == objection.coupon.voucher_id:
                row.against.append(say_objection(objection, currency))


def _say(refusal: DomainError) -> str:
    return say_word(refusal) if isinstance(refusal, VoucherRefusedError) else translate(refusal.text)


def _amount_of(form: BillForm) -> int | None:
    """The amount of the bill in minor units; none where it is missing or not one."""
    if "amount" in form.faults:
        return None
    amount: int | None = form.values.get("amount")
    if amount is not None and not 0 < amount <= LARGEST_BILL:
        form.refuse(N_("Enter a smaller amount.") if amount else N_("This field is needed."), "amount")
        return None
    return amount


def _currency_of(request: AnyRequest) -> str:
    services = visit_of(request).services
    return services.program.current(services.sessions).currency


def _bill_page(
    request: AnyRequest,
    till: Till,
    form: BillForm,
    bill: BillAtTill,
    *,
    choices: list[dict[str, Any]] | None = None,
    status: int = 200,
    is_refused: bool = False,
) -> Page:
    currency = _currency_of(request)
    return page(
        request,
        "partner/till_bill.html",
        status=status,
        till=till,
        form=form,
        bill=bill,
        rows=[
            {
                "row": row,
                "benefit": say_benefit(row.coupon, currency) if row.coupon else "",
                "ticket": row.ticket.text,
            }
            for row in bill.rows
        ],
        choices=choices or [],
        currency=currency,
        has_room=len(bill.rows) < MOST_TOGETHER,
        nonce=form.raw["nonce"] or make_token(),
        is_refused=is_refused,
    )


ROUTES = [look_at_bill, verify_bill, show_bill]
