"""The wallet 卡包 and the single voucher: a code that renews by itself, its terms, and the same on paper."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.pictures import pictures_for_paper
from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.core.errors import NotFoundError
from liyu.core.i18n import N_, Message
from liyu.core.storage import open_storage
from liyu.vouchers.confirm import confirm_use
from liyu.vouchers.facts import StoreFacts, VoucherFacts, stores_of_item
from liyu.vouchers.gifts.queries import given_away, open_gift
from liyu.vouchers.nearby import NearVoucher, Place, nearest_first, wallet_nearest_first
from liyu.vouchers.qr import draw_qr
from liyu.vouchers.queries import (
    PAGE,
    SOON,
    WALLET_GROUPS,
    VoucherUse,
    count_wallet,
    uses_of,
    voucher_of_member,
    wallet_page,
)
from liyu.vouchers.states import OPEN
from liyu.vouchers.tokens import WINDOW_SECONDS
from liyu.web.actor import actor_of
from liyu.web.covers import choose_icon, cover_name
from liyu.web.formats import current_zone, format_day
from liyu.web.forms import ChoiceField, DecimalField, Form, IntegerField
from liyu.web.i18n import current_locale, gettext, text_of, translate
from liyu.web.mall.gifts import link_of
from liyu.web.mall.item import group_stores
from liyu.web.mall.member import AnyRequest, member_id_of, now_of, own_account
from liyu.web.mall.orders import find_cancel_rule
from liyu.web.pages import Page, fragment, page, redirect
from liyu.web.paper import vouchers_to_sheets
from liyu.web.state_words import VOUCHER_STATES
from liyu.web.visit import visit_of

RENEW_SECONDS = 20
"""How often the code on the screen renews; a token lives for at least one window."""
assert RENEW_SECONDS < WINDOW_SECONDS

_GROUP_LABELS = {
    "usable": N_("Usable"),
    "soon": N_("Ends soon"),
    "gifts": N_("Gifts"),
    "used": N_("Used"),
    "expired": N_("Expired"),
}
_NEAR_GROUPS = ("usable", "soon")
"""What one may want to use on the way."""
_PDF = (b"content-type", b"application/pdf")
_PRIVATE = (b"cache-control", b"private, no-store")


class PlaceForm(Form):
    latitude = DecimalField(minimum=-90, maximum=90, places=3)
    longitude = DecimalField(minimum=-180, maximum=180, places=3)


class RenewalForm(Form):
    uses = IntegerField(required=False, maximum=2**31, default=None)
    """How often it had been used when the page was made."""


class WalletForm(Form):
    group = ChoiceField(WALLET_GROUPS, required=False, default="usable")
    offset = IntegerField(required=False, maximum=100_000, default=0)


class NearWalletForm(PlaceForm):
    group = ChoiceField(_NEAR_GROUPS)
    offset = IntegerField(required=False, maximum=100_000, default=0)


@get("/wallet")
async def show_wallet(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """One's vouchers by what can be done with them."""
    form = WalletForm.parse(request.query_params.dict())
    group, offset = (form.group, form.offset) if form.is_valid else ("usable", 0)
    connection, now = await driver_connection(session), now_of(request)
    member_id = member_id_of(actor_of(request))
    counts = await count_wallet(connection, member_id, now)
    shown = await wallet_page(connection, member_id, group, now, offset=offset)
    used = await uses_of(connection, [one.id for one in shown]) if group == "used" else []
    last_uses = {use.voucher_id: use for use in used}
    address = f"/wallet?group={group}&offset="
    return page(
        request,
        "mall/wallet.html",
        tab="wallet",
        group=group,
        tabs=[
            {
                "label": gettext(label),
                "href": f"/wallet?group={name}" if name != "usable" else "/wallet",
                "current": name == group,
                "count": counts[name],
            }
            for name, label in _GROUP_LABELS.items()
        ],
        stubs=[_stub(request, facts, last_uses.get(facts.id)) for facts in shown],
        may_locate=group in _NEAR_GROUPS and len(shown) > 1,
        previous_href=f"{address}{max(offset - PAGE, 0)}" if offset else None,
        next_href=f"{address}{offset + PAGE}" if offset + PAGE < counts[group] else None,
    )


@post("/wallet/near")
async def sort_wallet(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """A group of one's vouchers by the nearest store that takes each, from a place that is used for this answer and not kept."""
    form = await NearWalletForm.read(request)
    if not form.is_valid or not visit_of(request).is_fragment:
        return redirect(request, "/wallet")
    connection, member_id, now = await driver_connection(session), member_id_of(actor_of(request)), now_of(request)
    here = Place(float(form.latitude), float(form.longitude))
    shown = await wallet_nearest_first(connection, member_id, form.group, here, now, offset=form.offset, limit=PAGE + 1)
    return fragment(
        request,
        "mall/_wallet_near.html",
        stubs=[_stub(request, facts) | {"near": _say_nearest(facts)} for facts in shown[:PAGE]],
        place=here,
        group=form.group,
        by_day_href=f"/wallet?group={form.group}",
        previous_offset=max(form.offset - PAGE, 0) if form.offset else None,
        next_offset=form.offset + PAGE if len(shown) > PAGE else None,
    )


@get("/vouchers/{voucher_id:int}")
async def show_voucher(request: AnyRequest, session: NamedDependency[AsyncSession], voucher_id: FromPath[int]) -> Page:
    """One voucher, as it is shown at the till; whoever gave it away is led to the gift, since the page may still be open."""
    try:
        facts, stores = await _load(request, session, voucher_id)
    except NotFoundError:
        given = await given_away(await driver_connection(session), member_id_of(actor_of(request)), voucher_id)
        if given is None:
            raise
        return redirect(request, f"/gifts/{given}")
    connection, usable = await driver_connection(session), _is_usable(request, facts)
    gift = await open_gift(connection, facts.id) if facts.state == "offered" else None
    is_own = facts.redeemer_id == facts.member_id
    may_cancel = usable and is_own and not facts.uses
    account = own_account(request)
    zone = current_zone()
    return page(
        request,
        "mall/voucher.html",
        tab="wallet",
        facts=facts,
        stub=_stub(request, facts),
        usable=usable,
        code=visit_of(request).services.codes.code_of(facts.serial),
        qr=_draw(request, facts) if usable else None,
        seconds=RENEW_SECONDS,
        last_day=facts.last_day(zone),
        rules=facts.rules_en if current_locale() == "en" and facts.rules_en else facts.rules_zh,
        cities=group_stores(stores, own_city=account.city if account else None),
        store_count=len(stores),
        may_locate=any(store.latitude is not None for store in stores) and len(stores) > 1,
        uses=await uses_of(connection, [facts.id]) if facts.uses else [],
        gift=gift,
        is_gift_open=gift is not None and gift.is_open(now_of(request)),
        link=link_of(request, gift.id) if gift else None,
        pin=visit_of(request).services.tokens.pins.pin_of(facts.serial, facts.uses) if facts.paper_confirmed else None,
        confirmed_until=facts.paper_until if facts.paper_until and now_of(request) < facts.paper_until else None,
        may_give=facts.giftable and not facts.uses,
        is_own=is_own,
        cancel_rule=await find_cancel_rule(request, connection, facts.redemption_number)
        if may_cancel and facts.redemption_number
        else None,
    )


@post("/vouchers/{voucher_id:int}/stores")
async def sort_stores(request: AnyRequest, session: NamedDependency[AsyncSession], voucher_id: FromPath[int]) -> Page:
    """The stores that take a voucher by their distance from a place, which is used for this answer and not kept."""
    form = await PlaceForm.read(request)
    if not form.is_valid:
        return redirect(request, f"/vouchers/{voucher_id}#stores")
    _, stores = await _load(request, session, voucher_id)
    here = Place(float(form.latitude), float(form.longitude))
    near = [{"store": one.store, "distance": _say_distance(one.metres)} for one in nearest_first(stores, here)]
    return fragment(request, "mall/_stores_near.html", stores=near)


@post("/vouchers/{voucher_id:int}/confirm")
async def confirm_voucher(
    request: AnyRequest, session: NamedDependency[AsyncSession], voucher_id: FromPath[int]
) -> Page:
    """Say that one's voucher is used now, though its code is on paper."""
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    await confirm_use(connection, member_id=member_id, voucher_id=voucher_id, now=now_of(request))
    return redirect(request, f"/vouchers/{voucher_id}#paper")


@get("/vouchers/{voucher_id:int}/qr")
async def renew_qr(request: AnyRequest, session: NamedDependency[AsyncSession], voucher_id: FromPath[int]) -> Page:
    """The code anew; once the voucher was used the page is loaded again, says so, and has another PIN."""
    facts = await voucher_of_member(await driver_connection(session), member_id_of(actor_of(request)), voucher_id)
    form = RenewalForm.parse(request.query_params.dict())
    was_used = form.is_valid and form.uses not in (None, facts.uses)
    if was_used or not _is_usable(request, facts):
        return Page(b"", headers=[(b"hx-refresh", b"true"), _PRIVATE])
    return fragment(request, "mall/_qr.html", facts=facts, qr=_draw(request, facts), seconds=RENEW_SECONDS)


@get("/vouchers/{voucher_id:int}/pdf")
async def download_pdf(request: AnyRequest, session: NamedDependency[AsyncSession], voucher_id: FromPath[int]) -> Page:
    """The voucher on paper, with the signed code that does not renew."""
    facts, stores = await _load(request, session, voucher_id)
    if not _is_usable(request, facts):
        return redirect(request, f"/vouchers/{voucher_id}")
    services = visit_of(request).services
    pictures = await pictures_for_paper(
        await driver_connection(session), open_storage(services.settings), [facts.item_id]
    )
    # Setting a page takes its time; no transaction waits for it.
    await session.rollback()
    program = services.program.current(services.sessions)
    sheets = vouchers_to_sheets(
        request.app.state.environment,
        [(facts, stores)],
        current_locale(),
        tokens=services.tokens,
        zone=current_zone(),
        program_name=text_of(program, "name"),
        support_phone=program.support_phone,
        pictures=pictures,
    )
    (body,) = await services.pdf.print_each(sheets)
    name = f'attachment; filename="voucher-{facts.number}-{facts.id}.pdf"'
    return Page(body, headers=[_PDF, _PRIVATE, (b"content-disposition", name.encode("latin-1"))])


async def _load(request: AnyRequest, session: AsyncSession, voucher_id: int) -> tuple[VoucherFacts, list[StoreFacts]]:
    connection = await driver_connection(session)
    facts = await voucher_of_member(connection, member_id_of(actor_of(request)), voucher_id)
    return facts, await stores_of_item(connection, facts.item_id)


def _draw(request: AnyRequest, facts: VoucherFacts) -> str:
    return draw_qr(visit_of(request).services.tokens.dynamic_token(facts.serial, now_of(request)))


def _is_usable(request: AnyRequest, facts: VoucherFacts) -> bool:
    """Whether its code is shown: one that is frozen or waits as a gift shows none."""
    return facts.state in OPEN and not facts.is_frozen and now_of(request) < facts.expires_at


def _stub(request: AnyRequest, facts: VoucherFacts, last_use: VoucherUse | None = None) -> dict[str, Any]:
    """A voucher as lists show it; one that runs out soon says when, one that ran out says so before the job has noted it.

    With its last use it says when and where that was.
    """
    usable, day = _is_usable(request, facts), facts.last_day(current_zone())
    is_over = now_of(request) >= facts.expires_at
    state = "expired" if facts.state in OPEN and is_over else facts.state
    is_spent = state not in (*OPEN, "offered")
    label, tone = VOUCHER_STATES[state]
    words = gettext(label)
    left = facts.expires_at - now_of(request)
    if facts.is_frozen and state in (*OPEN, "offered"):
        words, tone = gettext(N_("Frozen")), "red"
    elif usable and left <= SOON:
        words, tone = (gettext(N_("Last day")) if left.days < 1 else gettext(N_("Ends soon"))), "gold"
    elif facts.uses_allowed > 1 and usable:
        words = translate(
            Message(
                N_("%(left)s of %(all)s left"), {"left": facts.uses_allowed - facts.uses, "all": facts.uses_allowed}
            )
        )
    line = N_("Was good until %(day)s") if is_spent else N_("Good until %(day)s")
    where = text_of(facts, "partner") if facts.partner_zh else ""
    if last_use is not None:
        line, day = N_("Used on %(day)s"), local_date(last_use.at, current_zone())
        where = text_of(last_use, "store") if last_use.store_zh else where
    parts = [where, translate(Message(line, {"day": format_day(day, current_locale())}))]
    return {
        "id": facts.id,
        "name": text_of(facts, "item"),
        "cover": f"/covers/{cover_name(facts.scene, facts.item_id, choose_icon(facts.scene, facts.kind))}",
        "line": " · ".join(part for part in parts if part),
        "label": words,
        "tone": tone,
        "spent": is_spent,
    }


def _say_nearest(facts: NearVoucher) -> dict[str, str] | None:
    """The nearest store that takes a voucher, and how far it is."""
    far = _say_distance(facts.metres)
    return {"far": far, "store": text_of(facts, "store")} if far else None


def _say_distance(metres: int | None) -> str | None:
    """A distance as people say it: 350 m, 2.4 km, 180 km."""
    if metres is None:
        return None
    if metres < 1_000:
        return f"{metres // 10 * 10} m"
    return f"{metres / 1_000:.1f} km" if metres < 10_000 else f"{metres // 1_000} km"


ROUTES = [show_wallet, sort_wallet, show_voucher, confirm_voucher, sort_stores, renew_qr, download_pdf]
