"""A member's wallet at the till: which of their vouchers this store may take, to choose one from."""

from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.vouchers.facts import mask_name
from liyu.vouchers.wallet_code import ShownWallet, WalletCodes, vouchers_here
from liyu.web.actor import actor_of
from liyu.web.formats import current_zone
from liyu.web.i18n import text_of
from liyu.web.pages import Page, page
from liyu.web.partner.staff import AnyRequest, now_of, partner_id_of
from liyu.web.partner.till_tickets import write_ticket
from liyu.web.visit import visit_of

if TYPE_CHECKING:
    from liyu.web.partner.till import Till


def read_wallet(request: AnyRequest, text: str) -> ShownWallet | None:
    """The wallet that was shown, if it was one."""
    return WalletCodes(visit_of(request).services.settings.secret_key).read(text, now_of(request))


async def wallet_page(request: AnyRequest, session: AsyncSession, till: "Till", wallet: ShownWallet) -> Page:
    """What this store may take of a member's wallet; each voucher with a button that looks at it."""
    rows, member = await rows_of_wallet(request, session, till, wallet)
    return page(request, "partner/till_wallet.html", till=till, rows=rows, member=member)


async def rows_of_wallet(
    request: AnyRequest, session: AsyncSession, till: "Till", wallet: ShownWallet
) -> tuple[list[dict[str, Any]], str]:
    """What this store may take of a wallet, to choose from, and whose it is as the till may show it."""
    assert till.store is not None
    found = await vouchers_here(
        await driver_connection(session),
        partner_id_of(actor_of(request)),
        till.store.id,
        wallet.member_id,
        now_of(request),
    )
    rows: list[dict[str, Any]] = [
        {
            "item": text_of(facts, "item"),
            "last_day": facts.last_day(current_zone()),
            "uses_left": facts.uses_allowed - facts.uses,
            "uses_allowed": facts.uses_allowed,
            "serial": facts.serial,
            "is_coupon": facts.kind == "coupon",
            "choice": write_ticket(request, facts.serial, in_hand=True),
        }
        for facts in found
    ]
    return rows, mask_name(found[0].member_name) if found else ""
