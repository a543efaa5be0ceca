"""Putting a printed voucher into the wallet: its code is typed, or read by the camera."""

from litestar import get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.vouchers.errors import UnknownVoucherError
from liyu.vouchers.runs.claims import claim_voucher
from liyu.web.actor import actor_of
from liyu.web.formats import current_zone
from liyu.web.forms import Form, TextField
from liyu.web.limits import guessing
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.visit import visit_of

LONGEST = 400
"""A QR code has far more letters than a code."""


class CodeForm(Form):
    code = TextField(N_("Voucher code"), maximum=LONGEST)


@get("/wallet/add")
async def show_claim(request: AnyRequest) -> Page:
    """The field for a code, and the camera, where there is one, on a tap."""
    return _page(request, CodeForm.blank())


@post("/wallet/add")
async def claim(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Make a printed voucher one's own. Codes that there are not are counted, for the member and the address (rule 11)."""
    form, actor = await CodeForm.read(request), actor_of(request)
    if not form.is_valid:
        return _page(request, form, status=422)
    services, now = visit_of(request).services, now_of(request)
    subjects = (("claim_code", actor.reference), ("claim_code_address", visit_of(request).address))
    connection = await driver_connection(session)
    try:
        async with guessing(services, subjects, UnknownVoucherError), connection.transaction():
            claimed = await claim_voucher(
                connection, member_id_of(actor), form.code, tokens=services.tokens, actor=actor.reference, now=now,
                zone=current_zone(),
            )  # fmt: skip
    except DomainError as refusal:
        form.refuse(refusal.text, "code")
        return _page(request, form, status=refusal.status)
    words = (
        N_("This voucher is in your wallet already.")
        if claimed.repeated
        else N_("In your wallet. Its paper is void now.")
    )
    leave_notice(request, words)
    return redirect(request, f"/vouchers/{claimed.voucher_id}")


def _page(request: AnyRequest, form: CodeForm, *, status: int = 200) -> Page:
    return page(request, "mall/claim.html", tab="wallet", status=status, form=form)


ROUTES = [show_claim, claim]
