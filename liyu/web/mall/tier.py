"""The tier: where a member stands, what is missing to rise and to keep it, and by when, what each tier brings, and why."""

from typing import Any

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.members.account import MemberAccount, TierStanding, list_tiers, load_account
from liyu.members.paid.plans import list_plans
from liyu.members.tiers.queries import TierProgress, list_tier_history, load_progress
from liyu.members.tiers.rules import MATCHING
from liyu.web.actor import actor_of
from liyu.web.i18n import gettext, text_of, translate
from liyu.web.mall.member import AnyRequest, member_id_of, today_of
from liyu.web.pages import Page, page
from liyu.web.tier_words import explain_change, factor, join_sentences, name_change, tone_of

MOST_CHANGES = 30


@get("/tier")
async def show_tier(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The tier with its validity, the two ways of its growth value, the rights of each tier, and how it came about."""
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    account = await load_account(connection, member_id, today_of(request))
    progress = await load_progress(connection, member_id)
    tiers = await list_tiers(connection)
    return page(
        request,
        "mall/tier.html",
        tab="me",
        account=account,
        progress=progress,
        keeping=_keeping(request, progress, tiers),
        rising=join_sentences([gettext(N_("You rise at once when you reach it.")), _counted(progress)]),
        tiers=[_tier(tier, account) for tier in tiers],
        has_plans=bool(await list_plans(connection, offered_only=True)),
        changes=[
            {"text": name_change(one), "when": one.at, "note": explain_change(one), "state": tone_of(one)}
            for one in await list_tier_history(connection, member_id, MOST_CHANGES)
        ],
    )


def _keeping(request: AnyRequest, progress: TierProgress, tiers: list[TierStanding]) -> dict[str, Any] | None:
    """What keeping the tier takes; None where there is nothing to keep."""
    missing, until = progress.missing_to_keep, progress.until
    if missing is None or until is None:
        return None
    own = {"tier": text_of(progress, "earned"), "day": until, "missing": missing, "last": progress.decided_by}
    if not missing:
        title = Message(N_("%(tier)s is kept"), own)
        notes = [Message(N_("You have what it takes. After %(day)s it is yours for another period."), own)]
    else:
        lower = _lower_tier(progress, tiers)
        own |= {"lower": text_of(lower, "name") if lower else ""}
        title = Message(N_("%(missing)s more to keep %(tier)s"), own)
        is_grace = until < today_of(request)
        notes = [Message(N_("Your validity is over. Until %(last)s it can still be kept.") if is_grace else _BY, own)]
        if progress.grace_days and not is_grace:
            notes.append(Message(N_("Days of grace follow, through %(last)s."), own))
        notes.append(Message(N_("Otherwise you become %(lower)s."), own))
    return {
        "title": translate(title),
        "note": join_sentences([translate(note) for note in notes]),
        "kept": not missing,
    }


_BY = N_("By %(day)s. What you buy until then counts.")


def _lower_tier(progress: TierProgress, tiers: list[TierStanding]) -> TierStanding | None:
    """Where the member would fall as things are."""
    lower = [tier for tier in tiers if tier.threshold < progress.keep_threshold]
    if progress.fall == MATCHING:
        lower = [tier for tier in lower if tier.threshold <= progress.period_growth]
    return lower[-1] if lower else None


def _counted(progress: TierProgress) -> str:
    """How long growth value goes on counting towards the next tier."""
    if progress.until is None or progress.by_hand:
        return gettext(N_("It goes on counting without an end."))
    words = N_("It counts through %(day)s; then counting begins anew.")
    return translate(Message(words, {"day": progress.decided_by if progress.missing_to_keep else progress.until}))


def _tier(tier: TierStanding, account: MemberAccount) -> dict[str, Any]:
    return {
        "name": text_of(tier, "name"),
        "threshold": tier.threshold,
        "rights": [{"icon": right.icon, "title": text_of(right, "title")} for right in tier.rights],
        "factor": factor(tier.multiplier_basis_points),
        "months": tier.validity_months,
        "current": tier.rank == account.tier_rank,
        "reached": tier.rank <= account.tier_rank,
        "missing": max(tier.threshold - account.growth, 0),
    }


ROUTES = [show_tier]
