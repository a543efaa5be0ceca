"""The logins of the demo program, shown on the sign-in pages of a development machine and nowhere else."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.models import MEMBER, Staff
from liyu.members.models import Member
from liyu.web.visit import AnyConnection, visit_of

_SHOWN = 6


@dataclass(frozen=True, slots=True)
class DemoLogin:
    """Someone whom one can sign in as: phone or e-mail, name, role."""

    login: str
    name: str
    role: str | None = None


async def find_demo_logins(connection: AnyConnection, session: AsyncSession, audience: str) -> Sequence[DemoLogin]:
    """Whom one can sign in as here; nobody outside development and without the demo program."""
    services = visit_of(connection).services
    if not (services.settings.is_development and services.program.current(services.sessions).demo):
        return ()
    if audience == MEMBER:
        members = select(Member.phone, Member.name).where(
            Member.name.is_not(None), Member.phone.is_not(None), Member.state == "active"
        )
        rows = await session.execute(members.order_by(Member.id).limit(1))
        return [DemoLogin(row.phone, row.name) for row in rows]
    staff = select(Staff.email, Staff.name, Staff.role).where(Staff.audience == audience, Staff.active)
    rows = await session.execute(staff.order_by(Staff.id).limit(_SHOWN))
    return [DemoLogin(row.email, row.name, row.role) for row in rows]
