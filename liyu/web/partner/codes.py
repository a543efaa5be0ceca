"""The partner's own code pools: how they stand, importing codes, and recalling bad ones."""

from typing import Any

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.web import code_pools
from liyu.web.actor import actor_of
from liyu.web.code_pool_pages import READ, PoolPlace, make_pool_handlers
from liyu.web.forms import Form
from liyu.web.i18n import gettext, translate
from liyu.web.pages import Page, page
from liyu.web.partner.staff import AnyRequest, names_of_staff, partner_id_of


@get("/codes", guards=[READ])
async def list_code_pools(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The partner's pools, those that run out first at the top."""
    rows = await code_pools.read_pools(partner_id_of(actor_of(request)), request, session)
    return page(request, "partner/codes.html", rows=rows)


async def show_pool(
    request: AnyRequest,
    session: AsyncSession,
    sku: str,
    *,
    forms: dict[str, Form] | None = None,
    refusal: DomainError | None = None,
) -> Page:
    """The page of one pool."""
    own = await names_of_staff(request, session)

    async def name_of(_people: list[str]) -> Any:
        def name(reference: str) -> str:
            """Members and operators stay unnamed to a partner."""
            if reference in own:
                return own[reference]
            return gettext(N_("Member")) if reference.startswith("member:") else gettext(N_("Operator"))

        return name

    context = await code_pools.read_pool(
        partner_id_of(actor_of(request)), request, session, sku, name_of=name_of, forms=forms, refusal=refusal
    )
    return page(
        request,
        "partner/code_pool.html",
        here=PLACE.address(sku),
        refusal={"text": translate(refusal.text), "reasons": [translate(one.message) for one in refusal.reasons]}
        if refusal
        else None,
        may_edit=actor_of(request).may("codes.edit"),
        may_refund=False,
        **context,
    )


PLACE = PoolPlace("/partner", "/codes", lambda request: partner_id_of(actor_of(request)), show_pool)
ROUTES = [list_code_pools, *make_pool_handlers(PLACE)]
