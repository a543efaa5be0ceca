"""Looking partners up by the code that people use."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.partners.errors import UnknownPartnerCodeError
from liyu.partners.models import Partner


async def find_partner_id(session: AsyncSession, code: str) -> int:
    """The id of the partner with this code. Raises UnknownPartnerCodeError."""
    partner_id = await session.scalar(select(Partner.id).where(Partner.code == code))
    if partner_id is None:
        raise UnknownPartnerCodeError(code=code)
    return partner_id
