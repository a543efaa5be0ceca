"""The member's own corner: the ways to everything of one's own."""

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.members.account import load_account
from liyu.members.paid.plans import list_plans
from liyu.members.tags.queries import badges_for
from liyu.vouchers.queries import count_wallet
from liyu.web.actor import actor_of
from liyu.web.formats import mask_phone
from liyu.web.i18n import gettext
from liyu.web.mall.member import AnyRequest, lapsing_next, member_id_of, now_of, today_of
from liyu.web.pages import Page, page


@get("/me")
async def show_me(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Profile, and the ways to everything of one's own."""
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    account = await load_account(connection, member_id, today_of(request))
    vouchers = await count_wallet(connection, member_id, now_of(request))
    return page(
        request,
        "mall/me.html",
        tab="me",
        account=account,
        name=account.name or gettext(N_("Member")),
        phone=mask_phone(account.phone),
        lapsing=lapsing_next(account, today_of(request)),
        usable_vouchers=vouchers["usable"],
        has_membership=account.is_paid or bool(await list_plans(connection, offered_only=True)),
        badges=sum(badge.at is not None for badge in await badges_for(connection, member_id)),
    )


ROUTES = [show_me]
