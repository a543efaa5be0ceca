"""The member's own corner: who they are, their tier and what it takes, and what they should know today."""

from datetime import timedelta
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.members.account import MemberAccount, TierStanding, list_tier_moves, list_tiers, load_account
from liyu.vouchers.queries import wallet
from liyu.web.actor import actor_of
from liyu.web.formats import current_zone
from liyu.web.i18n import gettext, text_of, translate
from liyu.web.mall.member import AnyRequest, lapsing_next, member_id_of, now_of, today_of
from liyu.web.mall.words import TIER_REASONS
from liyu.web.pages import Page, page

MOST_TIER_MOVES = 20
VOUCHER_WARNING = timedelta(days=14)
TIER_WARNING = timedelta(days=92)
MOST_VOUCHER_NOTICES = 5
_WHOLE_FACTOR = 10_000


@get("/me")
async def show_me(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Profile, and the ways to everything of one's own."""
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    account = await load_account(connection, member_id, today_of(request))
    vouchers = await wallet(connection, member_id, now_of(request))
    return page(
        request,
        "mall/me.html",
        tab="me",
        account=account,
        name=account.name or gettext(N_("Member")),
        phone=_mask_phone(account.phone),
        lapsing=lapsing_next(account, today_of(request)),
        usable_vouchers=vouchers.counts["usable"],
    )


@get("/tier")
async def show_tier(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The tier, what is missing for the next one and until when, the rights of each, and how it came about."""
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    account = await load_account(connection, member_id, today_of(request))
    return page(
        request,
        "mall/tier.html",
        tab="me",
        account=account,
        missing=max(account.next_threshold - account.growth, 0) if account.next_threshold is not None else None,
        tiers=[_tier(tier, account) for tier in await list_tiers(connection)],
        moves=[
            {
                "text": _describe(move),
                "when": move.at,
                "note": translate(
                    Message(
                        N_("%(reason)s, growth value %(growth)s"),
                        {"reason": gettext(TIER_REASONS.get(move.reason, move.reason)), "growth": move.growth},
                    )
                ),
                "state": "" if move.rises else "waiting",
            }
            for move in await list_tier_moves(connection, member_id, MOST_TIER_MOVES)
        ],
    )


@get("/notices")
async def show_notices(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What one should know today, found out from the books each time: nothing here can be out of date."""
    connection, member_id, now = await driver_connection(session), member_id_of(actor_of(request)), now_of(request)
    account = await load_account(connection, member_id, today_of(request))
    vouchers = await wallet(connection, member_id, now)
    return page(
        request,
        "mall/notices.html",
        tab="me",
        entries=[*_account_notices(request, account), *_voucher_notices(request, vouchers.usable)],
    )


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
    if account.tier_until and timedelta() <= account.tier_until - today <= TIER_WARNING:
        tier = {"tier": text_of(account, "tier"), "day": account.tier_until}
        found.append(
            {"icon": "medal", "text": translate(Message(N_("%(tier)s is valid until %(day)s."), tier)), "href": "/tier"}
        )
    if account.next_threshold is not None and account.next_zh:
        missing = {"missing": account.next_threshold - account.growth, "tier": text_of(account, "next")}
        words = Message(N_("%(missing)s more growth value and you are %(tier)s."), missing)
        found.append({"icon": "trending-up", "text": translate(words), "href": "/tier"})
    return found


def _voucher_notices(request: AnyRequest, vouchers: list[Any]) -> list[dict[str, Any]]:
    now = now_of(request)
    ending = [facts for facts in vouchers if facts.expires_at - now <= VOUCHER_WARNING][:MOST_VOUCHER_NOTICES]
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


def _tier(tier: TierStanding, account: MemberAccount) -> dict[str, Any]:
    return {
        "name": text_of(tier, "name"),
        "threshold": tier.threshold,
        "rights": [text_of(right, "title") for right in tier.rights],
        "factor": f"{tier.multiplier_basis_points / _WHOLE_FACTOR:g}",
        "months": tier.validity_months,
        "current": tier.rank == account.tier_rank,
        "reached": tier.rank <= account.tier_rank,
        "missing": max(tier.threshold - account.growth, 0),
    }


def _describe(move: Any) -> str:
    if move.from_zh is None:
        return text_of(move, "to")
    return translate(
        Message(N_("%(before)s → %(after)s"), {"before": text_of(move, "from"), "after": text_of(move, "to")})
    )


def _mask_phone(phone: str | None) -> str:
    """138****8000: enough to recognise one's own number."""
    digits = (phone or "").removeprefix("+86")
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) >= 8 else ""


ROUTES = [show_me, show_tier, show_notices]
