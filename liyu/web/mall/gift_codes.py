"""Typing in a gift code: what it gives is the member's at once, or the page says what is wrong."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_
from liyu.redemption.giftcodes.errors import UnknownGiftCodeError
from liyu.redemption.giftcodes.redeem import Received, redeem_gift_code
from liyu.web.actor import actor_of
from liyu.web.formats import current_zone
from liyu.web.forms import Form, TextField
from liyu.web.i18n import text_of, translate
from liyu.web.limits import guessing
from liyu.web.mall.member import AnyRequest, now_of, own_account
from liyu.web.pages import Page, page
from liyu.web.visit import visit_of

GUESSES, GUESSES_AT = "gift_code", "gift_code_address"


class CodeForm(Form):
    code = TextField(N_("Gift code"), maximum=64)


@get("/gift-code")
async def show_gift_code(request: AnyRequest) -> Page:
    """The field for a code."""
    return _page(request, CodeForm.blank())


@post("/gift-code")
async def redeem(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Redeem a code. Codes that there are not are counted, for the member and the address, and too many end it (rule 11)."""
    form, actor = await CodeForm.read(request), actor_of(request)
    if not form.is_valid:
        return _page(request, form, status=422)
    services = visit_of(request).services
    subjects = ((GUESSES, actor.reference), (GUESSES_AT, visit_of(request).address))
    account = own_account(request)
    assert account is not None
    # It is given as the desk does, in a transaction of its own; this one must not hold a snapshot meanwhile.
    await session.rollback()
    assert services.settings.database_url is not None
    try:
        async with (
            guessing(services, subjects, UnknownGiftCodeError),
            await AsyncConnection.connect(
                services.settings.database_url, autocommit=True, options="-c timezone=UTC -c lock_timeout=5s"
            ) as own,
        ):
            received = await redeem_gift_code(
                own, form.code, account.external_id, secret_key=services.settings.secret_key, actor=actor.reference,
                now=now_of(request), zone=current_zone(),
            )  # fmt: skip
    except DomainError as refusal:
        if isinstance(refusal, NotFoundError) and not isinstance(refusal, UnknownGiftCodeError):
            raise
        form.refuse(refusal.text, "code")
        return _page(
            request, form, status=refusal.status, reasons=[translate(one.message) for one in refusal.reasons[1:]]
        )
    return _page(request, CodeForm.blank(), received=received)


def _page(
    request: AnyRequest,
    form: CodeForm,
    *,
    status: int = 200,
    received: Received | None = None,
    reasons: list[str] | None = None,
) -> Page:
    context: dict[str, Any] = {"received": received, "reasons": reasons or []}
    if received is not None and received.sku is not None:
        context["name"] = text_of(received, "item")
    return page(request, "mall/gift_code.html", tab="me", status=status, form=form, **context)


ROUTES = [show_gift_code, redeem]
