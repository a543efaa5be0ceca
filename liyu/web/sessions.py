"""From cookie to actor and back. A visitor without a cookie costs no query."""

from typing import Any, cast

from sqlalchemy import Row, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.models import MEMBER, OPERATOR, PARTNER, AccessSession, Staff
from liyu.core.access.roles import permissions_of
from liyu.core.access.sessions import LIFETIMES, SEEN_EVERY, Visitor, note_seen, open_session, revoke_session
from liyu.core.database import unit_of_work
from liyu.core.sealing import hash_token
from liyu.members.models import Member
from liyu.partners.models import Partner
from liyu.web.actor import Actor
from liyu.web.visit import Visit

COOKIES = {MEMBER: "liyu_member", PARTNER: "liyu_partner", OPERATOR: "liyu_operator"}


_IS_OPEN = (
    AccessSession.token_hash == bindparam("token_hash"),
    AccessSession.revoked_at.is_(None),
    AccessSession.expires_at > bindparam("now"),
)
_OF_STAFF = (
    select(
        AccessSession.last_seen_at,
        Staff.id.label("staff_id"),
        Staff.name,
        Staff.email,
        Staff.locale,
        Staff.role,
        Staff.store_id,
        Staff.partner_id,
        Partner.name_zh,
        Partner.name_en,
    )
    .join(Staff, Staff.id == AccessSession.staff_id)
    .outerjoin(Partner, Partner.id == Staff.partner_id)
    .where(*_IS_OPEN, Staff.audience == bindparam("audience"), Staff.active)
)
_OF_MEMBER = (
    select(AccessSession.last_seen_at, Member.id.label("member_id"), Member.name, Member.phone, Member.locale)
    .join(Member, Member.id == AccessSession.member_id)
    .where(*_IS_OPEN, Member.state != "closed")
)
_STATEMENTS = {MEMBER: _OF_MEMBER, PARTNER: _OF_STAFF, OPERATOR: _OF_STAFF}


async def load_actor(visit: Visit) -> None:
    """Find out who is signed in for the audience of this request, if its cookie is there."""
    name = COOKIES.get(visit.audience)
    token = name and visit.cookies.get(visit.cookie_name(name))
    if not token:
        return
    now = visit.services.clock.now()
    token_hash = hash_token(token)
    values = {"token_hash": token_hash, "now": now, "audience": visit.audience}
    # One read needs no transaction around it: that would be two more ways to the database for every page.
    async with visit.services.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        row = (await connection.execute(_STATEMENTS[visit.audience], values)).one_or_none()
    if row is None:
        return
    visit.actor = _actor_of(cast("Row[Any]", row), visit.audience, token_hash)
    if now - row.last_seen_at > SEEN_EVERY:
        async with unit_of_work(visit.services.sessions) as session:
            await note_seen(session, token_hash, now=now)


async def sign_in(
    session: AsyncSession, visit: Visit, audience: str, *, member_id: int | None = None, staff_id: int | None = None
) -> None:
    """Open a new session under a new token, end the one this browser had, and set the cookie."""
    token = await open_session(
        session,
        audience,
        now=visit.services.clock.now(),
        visitor=Visitor(visit.address, visit.header(b"user-agent")),
        member_id=member_id,
        staff_id=staff_id,
        replaces=visit.actor.session_hash if visit.actor else None,
    )
    lifetime = int(LIFETIMES[audience].total_seconds())
    visit.set_cookie(visit.cookie_name(COOKIES[audience]), token, max_age=lifetime)


async def sign_out(session: AsyncSession, visit: Visit) -> None:
    """End the session of this browser and delete its cookie."""
    if visit.actor is not None:
        await revoke_session(session, visit.actor.session_hash, now=visit.services.clock.now())
    visit.set_cookie(visit.cookie_name(COOKIES[visit.audience]), "", max_age=0)


def _actor_of(row: Row[Any], audience: str, token_hash: bytes) -> Actor:
    if audience == MEMBER:
        name = row.name or (row.phone or "")[-4:]
        return Actor(MEMBER, token_hash, name, row.locale, member_id=row.member_id)
    return Actor(
        audience,
        token_hash,
        row.name,
        row.locale,
        staff_id=row.staff_id,
        email=row.email,
        partner_id=row.partner_id,
        partner_name_zh=row.name_zh or "",
        partner_name_en=row.name_en or "",
        store_id=row.store_id,
        role=row.role,
        permissions=permissions_of(audience, row.role),
    )
