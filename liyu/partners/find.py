"""Looking partners up by the code that people use."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.errors import NotFoundError
from liyu.core.i18n import N_
from liyu.partners.models import Partner


class UnknownPartnerError(NotFoundError):
    """No partner has this code."""

    code = "unknown_partner"
    message = N_("No partner has the code %(code)s.")


async def find_partner_id(session: AsyncSession, code: str) -> int:
    """The id of the partner with this code. Raises UnknownPartnerError."""
    partner_id = await session.scalar(select(Partner.id).where(Partner.code == code))
    if partner_id is None:
        raise UnknownPartnerError(code=code)
    return partner_id
