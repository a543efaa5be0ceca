"""The till 核销: look at a voucher, then verify it. Only a POST verifies; a link that is opened shows and nothing more."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.core.ids import make_token
from liyu.core.limits import LimitExceededError
from liyu.partners.queries import StoreView, stores_of
from liyu.redemption.fulfil import complete_when_used_up
from liyu.vouchers.alphabet import tidy
from liyu.vouchers.check import Checked, check, show
from liyu.vouchers.codes import is_mistyped
from liyu.vouchers.errors import (
    Attempt,
    ConfirmationNeededError,
    PinLockedError,
    StaleTokenError,
    VoucherRefusedError,
    WrongPinError,
)
from liyu.vouchers.pins import DIGITS
from liyu.vouchers.queries import count_verifications, verification_of_nonce, verifications_of_partner
from liyu.vouchers.save import keep_attempt
from liyu.vouchers.shown import VerifyRequest
from liyu.vouchers.tokens import may_be_token
from liyu.vouchers.verify import verify
from liyu.vouchers.wallet_code import ShownWallet
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.formats import current_zone
from liyu.web.forms import Form, TextField
from liyu.web.i18n import current_locale, gettext, text_of, translate
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.partner.staff import (
    AnyRequest,
    name_verifier,
    names_of_staff,
    now_of,
    partner_id_of,
    partner_name_of,
    store_name,
    today_of,
)
from liyu.web.partner.till_tickets import Ticket, count_attempt, read_ticket, wish_of, wish_of_ticket, write_ticket
from liyu.web.partner.till_wallet import read_wallet, wallet_page
from liyu.web.refusal_words import REFUSALS
from liyu.web.visit import visit_of

HOME = "/partner/verify"
STORE_COOKIE = "liyu_store"
_LONGEST_TYPED = 16
"""Letters in what people type; anything longer was scanned."""
_YEAR = 365 * 24 * 3600
_LAST_USES = 5
WORDS = (ConfirmationNeededError, WrongPinError, PinLockedError)
"""Refusals after which the holder may still give their word."""


class CodeForm(Form):
    code = TextField(N_("Voucher code"), maximum=400)
    store = TextField(N_("Store"), required=False, maximum=60)


class ConfirmForm(Form):
    ticket = TextField()
    nonce = TextField(maximum=100)
    store = TextField(required=False, maximum=60)
    pin = TextField(N_("PIN"), required=False, maximum=20)


@dataclass(frozen=True, slots=True)
class Till:
    """Where the person stands: the stores they may choose from, the one they chose, and what it verified today."""

    stores: list[StoreView]
    store: StoreView | None
    subtitle: str
    verified_today: int

    @property
    def options(self) -> list[tuple[str, str]]:
        """The stores to choose from, for a select field."""
        return store_options(self.stores)

    @property
    def store_code(self) -> str | None:
        """The code of the chosen store."""
        return self.store.code if self.store else None


@dataclass(frozen=True, slots=True)
class Word:
    """The till waits for the holder's word; `refusal` is why what was tried last did not do."""

    refusal: VoucherRefusedError | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What came into the field for a code: a wallet, a voucher chosen from one, a text that may be a voucher's, or none of them."""

    text: str
    wallet: ShownWallet | None = None
    ticket: Ticket | None = None
    fault: str | None = None
    """Why it can be no voucher's."""


@get("/verify", guards=[require_permission("vouchers.verify")])
async def show_till(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Ask for a code. Opening this page, with whatever in its address, verifies nothing."""
    till = await open_till(request, session, request.query_params.get("store"))
    return _entry_page(request, till, CodeForm.blank())


@post("/verify", guards=[require_permission("vouchers.verify")])
async def look_at_voucher(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """First step: what the voucher is good for, without using it."""
    form = await CodeForm.read(request)
    till = await open_till(request, session, form.raw["store"])
    entry = read_entry(request, form.code) if form.is_valid else None
    if entry is not None and entry.fault is not None:
        form.refuse(entry.fault, "code")
    if till.store is None:
        form.refuse(N_("Choose the store you are in."), "store")
    if entry is None or till.store is None or not form.is_valid:
        return _entry_page(request, till, form, status=422)
    _remember_store(request, till)
    await count_attempt(request)
    if entry.wallet is not None and entry.wallet.stale:
        return await _refuse_stale_wallet(request, session, till, till.store)
    if entry.wallet is not None:
        return await wallet_page(request, session, till, entry.wallet)
    if entry.ticket is not None and not entry.ticket.is_fresh:
        return begin_anew(request)
    return await _look(request, session, till, form, entry)


async def _refuse_stale_wallet(request: AnyRequest, session: AsyncSession, till: Till, store: StoreView) -> Page:
    """A wallet whose minute is over, a screenshot most likely: the attempt is kept as every other."""
    actor = actor_of(request)
    attempt = Attempt(
        actor.reference, store.id, None, StaleTokenError.code, now_of(request), partner_id=partner_id_of(actor)
    )
    await keep_attempt(await driver_connection(session), attempt)
    return await _refusal_page(request, session, till, StaleTokenError(), None)


async def _look(request: AnyRequest, session: AsyncSession, till: Till, form: CodeForm, entry: Entry) -> Page:
    """What came into the field as a voucher, if it is one that may be used here and now."""
    services, wish = visit_of(request).services, wish_of_entry(request, till, entry)
    try:
        checked = await check(
            await driver_connection(session), wish, now=now_of(request), zone=current_zone(), tokens=services.tokens
        )
    except LimitExceededError as excess:
        form.refuse(say_excess(excess), "code")
        return _entry_page(request, till, form, status=excess.status)
    except VoucherRefusedError as refusal:
        return await _refusal_page(request, session, till, refusal, None)
    if isinstance(checked.refusal, ConfirmationNeededError):
        return _check_page(request, till, checked, ticket_of(request, entry, checked), word=Word())
    if checked.refusal is not None:
        return await _refusal_page(request, session, till, checked.refusal, checked)
    return _check_page(request, till, checked, ticket_of(request, entry, checked))


@post("/verify/confirm", guards=[require_permission("vouchers.verify")])
async def verify_voucher(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Second step: use the voucher once. The same nonce leads to the same verification, however often it is sent."""
    form = await ConfirmForm.read(request)
    ticket = read_ticket(request, form.ticket) if form.is_valid else None
    if ticket is None:
        return begin_anew(request)
    connection, services = await driver_connection(session), visit_of(request).services
    if not ticket.is_fresh:
        done = await verification_of_nonce(connection, actor_of(request).reference, form.nonce)
        return redirect(request, f"/partner/verifications/{done}") if done else begin_anew(request)
    till = await open_till(request, session, form.store)
    await count_attempt(request)
    wish = wish_of_ticket(request, till.store_code, ticket, form.nonce, pin=form.pin)
    try:
        verified = await verify(
            connection,
            wish,
            now=now_of(request),
            zone=current_zone(),
            tokens=services.tokens,
            on_used_up=complete_when_used_up,
        )
    except WORDS as refusal:
        found = await show(connection, wish, now=now_of(request), zone=current_zone(), tokens=services.tokens)
        return _check_page(request, till, found, ticket.text, word=Word(refusal), nonce=form.nonce)
    except VoucherRefusedError as refusal:
        return await _refusal_page(request, session, till, refusal, None)
    if not verified.repeated:
        await record_act(
            request,
            session,
            "vouchers.verify",
            f"voucher:{verified.voucher_id}",
            after={
                "verification": verified.verification_id,
                "store": verified.store_code,
                "use": verified.use_number,
            },
        )
    return redirect(request, f"/partner/verifications/{verified.verification_id}")


async def open_till(request: AnyRequest, session: AsyncSession, wanted: str | None = None) -> Till:
    """The till of the person who is signed in: their own store, the one they ask for, or the one of last time."""
    connection, actor = await driver_connection(session), actor_of(request)
    partner_id = partner_id_of(actor)
    stores = [
        store
        for store in await stores_of(partner_id, connection)
        if store.active and actor.store_id in (None, store.id)
    ]
    store = _choose_store(stores, wanted, visit_of(request).cookies.get(STORE_COOKIE))
    place, own = text_of(store, "name") if store else "", partner_name_of(actor)
    names = ["" if place.startswith(own) else own, place, actor.name]
    return Till(
        stores=stores,
        store=store,
        subtitle=" · ".join(name for name in names if name),
        verified_today=await _count_today(request, connection, partner_id, store.id if store else actor.store_id),
    )


def store_options(stores: list[StoreView]) -> list[tuple[str, str]]:
    """Stores as a select field wants them: code, and city with name."""
    return [(store.code, f"{text_of(store, 'city')} · {text_of(store, 'name')}") for store in stores]


def _choose_store(stores: list[StoreView], wanted: str | None, last: str | None) -> StoreView | None:
    """The only store there is, or the one that was named; a name that is not among them chooses nothing."""
    if len(stores) == 1:
        return stores[0]
    code = wanted or last
    return next((store for store in stores if store.code == code), None)


async def _count_today(
    request: AnyRequest, connection: AsyncConnection[Any], partner_id: int, store_id: int | None
) -> int:
    today = today_of(request)
    counted = await count_verifications(
        connection, partner_id, start=today, end=today + timedelta(days=1), zone=current_zone(), store_id=store_id
    )
    return counted.verified


def _entry_page(request: AnyRequest, till: Till, form: CodeForm, *, status: int = 200) -> Page:
    return page(request, "partner/till.html", status=status, till=till, form=form)


async def _refusal_page(
    request: AnyRequest, session: AsyncSession, till: Till, refusal: VoucherRefusedError, checked: Checked | None
) -> Page:
    """Say why; with the last uses when the voucher is the partner's own."""
    connection = await driver_connection(session)
    voucher_id = refusal.attempt.voucher_id if refusal.attempt else None
    uses = []
    if voucher_id is not None and refusal.code == "already_verified":
        names = await names_of_staff(request, session)
        partner_id = partner_id_of(actor_of(request))
        lines = await verifications_of_partner(
            connection, partner_id, day=None, zone=current_zone(), voucher_id=voucher_id, limit=_LAST_USES
        )
        uses = [
            {"at": line.verified_at, "store": store_name(line), "by": name_verifier(line.verifier, names)}
            for line in lines
            if line.undone_at is None
        ]
    return page(
        request,
        "partner/till_refused.html",
        status=refusal.status,
        till=till,
        title=gettext(REFUSALS[refusal.code]),
        text=translate(refusal.text),
        uses=uses,
        checked=checked,
    )


def _check_page(
    request: AnyRequest,
    till: Till,
    checked: Checked,
    ticket: str,
    *,
    word: Word | None = None,
    nonce: str | None = None,
) -> Page:
    """What a voucher is good for; with `word` the till waits for what its holder says."""
    refusal = word.refusal if word else None
    return page(
        request,
        "partner/till_check.html",
        status=refusal.status if refusal else 200,
        till=till,
        checked=checked,
        rules=checked.rules_en if current_locale() == "en" and checked.rules_en else checked.rules_zh,
        word=word,
        errors={"pin": say_word(refusal)} if refusal else None,
        pin_digits=DIGITS,
        ticket=ticket,
        nonce=nonce or make_token(),
    )


def say_word(refusal: VoucherRefusedError) -> str:
    """Why the holder's word is not there yet, on the page that asks for it."""
    if isinstance(refusal, ConfirmationNeededError):
        return gettext(N_("Not confirmed yet. Type the PIN, or let the member confirm and try again."))
    return translate(refusal.text)


def say_excess(excess: LimitExceededError) -> str:
    """Why no code may be typed for a while, at the field for it: the camera beside it still works."""
    return " ".join(translate(message) for message in (excess.text, *(reason.message for reason in excess.reasons)))


def read_entry(request: AnyRequest, text: str) -> Entry:
    """What came into the field, as far as it can be told without the database. That it can be no code is told at once, and is no
    guess: check letter and length say so, which tells a guesser nothing.
    """
    wallet, ticket = read_wallet(request, text), read_ticket(request, text)
    if wallet is not None or ticket is not None or may_be_token(text) or not is_mistyped(text):
        return Entry(text, wallet, ticket)
    if len(tidy(text)) <= _LONGEST_TYPED:
        return Entry(text, fault=N_("A letter is wrong or missing: a code has three groups of four."))
    return Entry(
        text, fault=N_("This is no voucher. Scan the QR code in the wallet or on the paper, or type the code under it.")
    )


def wish_of_entry(request: AnyRequest, till: Till, entry: Entry) -> VerifyRequest:
    """What the till asks of it."""
    if entry.ticket is not None:
        return wish_of_ticket(request, till.store_code, entry.ticket)
    return wish_of(request, till.store_code, entry.text)


def ticket_of(request: AnyRequest, entry: Entry, checked: Checked) -> str:
    """The ticket of a voucher that was looked at: the one by which it was chosen from a wallet, or its first."""
    return entry.ticket.text if entry.ticket else write_ticket(request, checked.serial, in_hand=checked.in_hand)


def begin_anew(request: AnyRequest) -> Page:
    """Back to the empty till, which says why."""
    leave_notice(request, N_("That took too long, and nothing was verified. Please scan the voucher again."), "error")
    return redirect(request, HOME)


def _remember_store(request: AnyRequest, till: Till) -> None:
    """The next voucher is most likely verified at the same store."""
    visit = visit_of(request)
    if len(till.stores) > 1 and till.store_code and visit.cookies.get(STORE_COOKIE) != till.store_code:
        visit.set_cookie(STORE_COOKIE, till.store_code, max_age=_YEAR)


ROUTES = [show_till, look_at_voucher, verify_voucher]
