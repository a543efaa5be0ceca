"""Notices 消息: what one should know today, found out from the books each time, and what one was told since."""

from datetime import timedelta
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.members.account import MemberAccount, load_account
from liyu.members.notices import Notice, list_notices, mark_read
from liyu.members.personal.closing import ClosingLine, find_closing
from liyu.vouchers.facts import VoucherFacts
from liyu.vouchers.queries import wallet_page
from liyu.web.actor import actor_of
from liyu.web.formats import current_zone
from liyu.web.i18n import text_of, translate
from liyu.web.mall.cards import in_words
from liyu.web.mall.member import AnyRequest, lapsing_next, member_id_of, now_of, today_of
from liyu.web.mall.orders import read_cursor
from liyu.web.pages import Page, page

TIER_WARNING = timedelta(days=92)
PAID_WARNING = timedelta(days=14)
MOST_VOUCHER_NOTICES = 5

TOPICS: dict[str, tuple[str, str, str]] = {
    "item_affordable": ("heart", "/items", N_("Your points are enough for “%(item)s” now: %(points)s points.")),
    "item_available": ("bell-ring", "/items", N_("“%(item)s” can be had again: %(points)s points.")),
    "code_replaced": ("refresh-cw", "/redemptions", N_("A code of “%(item)s” was bad. You have a new one.")),
    "code_recalled": (
        "triangle-alert",
        "/redemptions",
        N_("A code of “%(item)s” is bad. A new one comes as soon as there is one; your points are safe."),
    ),
    "order_sent": ("truck", "/redemptions", N_("“%(item)s” is on its way to you.")),
    "order_ready": ("store", "/redemptions", N_("“%(item)s” is ready: show its voucher at the store.")),
    "order_topped_up": ("smartphone", "/redemptions", N_("“%(item)s” has been credited.")),
    "order_given_back": (
        "coins",
        "/redemptions",
        N_("“%(item)s” was given back. All its points are in their lots again."),
    ),
    "after_sale_changed": ("undo-2", "/after-sales", N_("There is news about your request for “%(item)s”.")),
    "drop_offered": (
        "hand-heart",
        "/drops",
        N_("“%(item)s” is kept for you until %(deadline)s. Redeem it before it goes to the next."),
    ),
    "drop_lapsed": (
        "hourglass",
        "/drops",
        N_("“%(item)s” was kept for you; its time was over and it went to the next in line."),
    ),
    "draw_won": ("dices", "/draws", N_("You have won “%(prize)s” in the draw “%(draw)s”.")),
    "draw_offered": (
        "dices",
        "/draws",
        N_("You are drawn in “%(draw)s”: claim “%(prize)s” in time, or it goes to the next."),
    ),
    "draw_waiting": (
        "dices",
        "/draws",
        N_("“%(draw)s” is drawn. You have place %(place)s and wait for what is not claimed."),
    ),
    "draw_missed": ("dices", "/draws", N_("“%(draw)s” is drawn. You have not won this time; see for yourself why.")),
    "draw_lapsed": ("hourglass", "/draws", N_("You did not claim “%(prize)s” in time; it goes to the next.")),
    "draw_called_off": (
        "triangle-alert",
        "/draws",
        N_("The draw “%(draw)s” was called off: %(reason)s. Your points go back."),
    ),
    "drop_over": ("timer", "/drops", N_("The drop of “%(item)s” has ended before your place came up.")),
    "drop_called_off": ("triangle-alert", "/drops", N_("The drop of “%(item)s” was called off: %(reason)s")),
    "gift_accepted": ("gift", "/gifts", N_("“%(item)s” was accepted: it is in the other’s wallet now.")),
    "gift_lapsed": ("gift", "/vouchers", N_("Nobody accepted “%(item)s” in time. It is yours again.")),
    "voucher_ends": ("clock", "/vouchers", N_("“%(item)s” can be used until %(day)s.")),
    "code_refunded": ("coins", "/redemptions", N_("There is no new code for “%(item)s”. All its points are back.")),
    "campaign_once": ("gift", "/redemptions", N_("A present for you: %(units)s × “%(item)s”. %(why)s")),
    "campaign_birthday": ("cake", "/redemptions", N_("Happy birthday! “%(item)s” is our present to you.")),
    "campaign_birthday_month": (
        "cake",
        "/redemptions",
        N_("It is the month of your birthday: “%(item)s” is our present to you."),
    ),
    "campaign_anniversary": (
        "party-popper",
        "/redemptions",
        N_("You have been with us for %(years)s years today. Thank you: “%(item)s” is yours."),
    ),
}
"""Icon, page and words of what is told, by topic; a subject is the number of an item or of an order."""
_OF_ONE = {"campaign_once": N_("A present for you: “%(item)s”. %(why)s")}
"""The words where it is about a single unit."""


@get("/notices")
async def show_notices(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What holds today, and the inbox; whoever has seen it has read it."""
    before = read_cursor(request)
    connection, member_id, now = await driver_connection(session), member_id_of(actor_of(request)), now_of(request)
    inbox = await list_notices(connection, member_id, before=before)
    unread = [notice.id for notice in inbox.notices if notice.read_at is None]
    if unread:
        await mark_read(connection, member_id, max(unread), now=now)
    return page(
        request,
        "mall/notices.html",
        tab="me",
        today=[] if before else await _list_of_today(request, session, member_id),
        told=[_tell(notice) for notice in inbox.notices],
        continued=before is not None,
        next_href=f"/notices?before={inbox.next}" if inbox.next else None,
    )


def _tell(notice: Notice) -> dict[str, Any]:
    icon, page_of_subject, words = TOPICS[notice.topic]
    if notice.details.get("units") == 1:
        words = _OF_ONE.get(notice.topic, words)
    return {
        "icon": icon,
        "text": translate(Message(words, in_words(notice.details))),
        "href": f"{page_of_subject}/{notice.subject}",
        "at": notice.at,
        "is_new": notice.read_at is None,
    }


async def _list_of_today(request: AnyRequest, session: AsyncSession, member_id: int) -> list[dict[str, Any]]:
    connection = await driver_connection(session)
    account = await load_account(connection, member_id, today_of(request))
    ending = await wallet_page(connection, member_id, "soon", now_of(request), limit=MOST_VOUCHER_NOTICES)
    return [
        *_closing_notices(await find_closing(connection, member_id)),
        *_account_notices(request, account),
        *_voucher_notices(ending),
    ]


def _closing_notices(closing: ClosingLine | None) -> list[dict[str, Any]]:
    if closing is None:
        return []
    words = Message(N_("Your account will be closed on %(day)s."), {"day": closing.due_at})
    return [{"icon": "triangle-alert", "text": translate(words), "href": "/account/privacy"}]


def _account_notices(request: AnyRequest, account: MemberAccount) -> list[dict[str, Any]]:
    today = today_of(request)
    found: list[dict[str, Any]] = []
    if account.debt:
        words = Message(
            N_("%(points)s points are owed. What you earn next pays them off first."), {"points": account.debt}
        )
        found.append({"icon": "triangle-alert", "text": translate(words), "href": "/points"})
    lapsing = lapsing_next(account, today)
    if lapsing is not None:
        words = Message(
            N_("%(points)s points can be used through %(day)s."), {"points": lapsing.points, "day": lapsing.on}
        )
        found.append({"icon": "clock", "text": translate(words), "href": "/items?affordable=yes"})
    for pending in account.maturing[:1]:
        words = Message(
            N_("%(points)s points become usable on %(day)s."), {"points": pending.points, "day": pending.on}
        )
        found.append({"icon": "hourglass", "text": translate(words), "href": "/points"})
    warning = PAID_WARNING if account.is_paid else TIER_WARNING
    if account.tier_until and timedelta() <= account.tier_until - today <= warning:
        tier = {"tier": text_of(account, "tier"), "day": account.tier_until}
        text = _PAID_ENDS if account.is_paid else N_("%(tier)s is valid until %(day)s.")
        href = "/membership" if account.is_paid else "/tier"
        found.append({"icon": "medal", "text": translate(Message(text, tier)), "href": href})
    if account.next_threshold is not None and account.next_zh:
        missing = {"missing": account.next_threshold - account.growth, "tier": text_of(account, "next")}
        words = Message(N_("%(missing)s more growth value and you are %(tier)s."), missing)
        found.append({"icon": "trending-up", "text": translate(words), "href": "/tier"})
    return found


_PAID_ENDS = N_("%(tier)s is paid for through %(day)s. It does not renew by itself.")


def _voucher_notices(ending: list[VoucherFacts]) -> list[dict[str, Any]]:
    return [
        {
            "icon": "ticket",
            "text": translate(
                Message(
                    N_("Use “%(name)s” through %(day)s."),
                    {"name": text_of(facts, "item"), "day": facts.last_day(current_zone())},
                )
            ),
            "href": f"/vouchers/{facts.id}",
        }
        for facts in ending
    ]


ROUTES = [show_notices]
