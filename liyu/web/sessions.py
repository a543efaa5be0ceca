"""From cookie to actor and back. A visitor without a cookie costs no query."""

from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.models import MEMBER, OPERATOR, PARTNER
from liyu.core.access.roles import permissions_of
from liyu.core.access.sessions import LIFETIMES, SEEN_EVERY, Visitor, note_seen, open_session, revoke_session
from liyu.core.database import unit_of_work
from liyu.core.sealing import hash_token
from liyu.web.actor import Actor
from liyu.web.visit import Visit

COOKIES = {MEMBER: "liyu_member", PARTNER: "liyu_partner", OPERATOR: "liyu_operator"}


_IS_OPEN = "s.token_hash = %(token_hash)s AND s.revoked_at IS NULL AND s.expires_at > %(now)s"
_OF_MEMBER = f"""
    SELECT s.last_seen_at, m.id AS member_id, m.name, m.phone, m.locale,
        EXISTS (SELECT FROM member_notice n WHERE n.member_id = m.id AND n.read_at IS NULL) AS has_news
    FROM session s JOIN member m ON m.id = s.member_id WHERE {_IS_OPEN} AND m.state <> 'closed'"""
_OF_STAFF = f"""
    SELECT s.last_seen_at, f.id AS staff_id, f.name, f.email, f.locale, f.role, f.store_id, f.partner_id, p.name_zh, p.name_en
    FROM session s JOIN staff f ON f.id = s.staff_id LEFT JOIN partner p ON p.id = f.partner_id
    WHERE {_IS_OPEN} AND f.audience = %(audience)s AND f.active"""
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

    async def ask(connection: AsyncConnection[Any]) -> Any:
        cursor = connection.cursor(row_factory=namedtuple_row)
        return await (await cursor.execute(_STATEMENTS[visit.audience], values)).fetchone()

    row = await visit.services.reader.read(ask)
    if row is None:
        return
    visit.actor = _actor_of(row, visit.audience, token_hash)
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


def _actor_of(row: Any, audience: str, token_hash: bytes) -> Actor:
    if audience == MEMBER:
        name = row.name or (row.phone or "")[-4:]
        return Actor(MEMBER, token_hash, name, row.locale, member_id=row.member_id, has_news=row.has_news)
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
