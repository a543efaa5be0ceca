"""From cookie to actor and back. A visitor without a cookie costs no query."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.json import Decoder
from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.models import MEMBER, OPERATOR, PARTNER
from liyu.core.access.roles import permissions_of
from liyu.core.access.sessions import LIFETIMES, SEEN_EVERY, Visitor, note_seen, open_session, revoke_session
from liyu.core.clock import Clock, local_date
from liyu.core.database import unit_of_work
from liyu.core.sealing import hash_token
from liyu.members.account import MemberAccount, query_account
from liyu.web.actor import Actor
from liyu.web.gathering import Gathering
from liyu.web.reader import Reader
from liyu.web.visit import Visit

COOKIES = {MEMBER: "liyu_member", PARTNER: "liyu_partner", OPERATOR: "liyu_operator"}


_IS_OPEN = "s.revoked_at IS NULL AND s.expires_at > %(now)s"
_OF_MEMBERS = f"""
    SELECT json_object_agg(encode(s.token_hash, 'hex'), json_build_object('last_seen_at', s.last_seen_at, 'locale', m.locale,
        'has_news', EXISTS (SELECT FROM member_notice n WHERE n.member_id = m.id AND n.read_at IS NULL),
        'account', row_to_json(a)))::text
    FROM session s JOIN member m ON m.id = s.member_id CROSS JOIN LATERAL ({query_account("s.member_id")}) AS a
    WHERE s.token_hash = ANY(%(token_hashes)b::bytea[]) AND {_IS_OPEN} AND m.state <> 'closed'"""
_OF_STAFF = f"""
    SELECT s.last_seen_at, f.id AS staff_id, f.name, f.email, f.locale, f.role, f.store_id, f.partner_id, p.name_zh, p.name_en
    FROM session s JOIN staff f ON f.id = s.staff_id LEFT JOIN partner p ON p.id = f.partner_id
    WHERE s.token_hash = %(token_hash)s AND {_IS_OPEN} AND f.audience = %(audience)s AND f.active"""


class SignedIn(Struct):
    """A member's open session, with the account that nearly every page of the mall shows."""

    last_seen_at: datetime
    locale: str | None
    has_news: bool
    account: MemberAccount


Members = Gathering[bytes, SignedIn]
_Found = Decoder(dict[str, SignedIn])


def gather_members(reader: Reader, clock: Clock, zone: ZoneInfo) -> Members:
    """Looks up the sessions of members by the hash of their token, those that come at once with one statement."""

    async def ask(token_hashes: Sequence[bytes]) -> dict[bytes, SignedIn]:
        now = clock.now()
        values = {"token_hashes": list(token_hashes), "now": now, "today": local_date(now, zone)}

        async def read(connection: AsyncConnection[Any]) -> str | None:
            row = await (await connection.execute(_OF_MEMBERS, values)).fetchone()
            return row[0] if row else None

        document = await reader.read(read)
        found = _Found.decode(document) if document else {}
        return {bytes.fromhex(token_hash): one for token_hash, one in found.items()}

    return Gathering(ask)


async def load_actor(visit: Visit) -> None:
    """Find out who is signed in for the audience of this request, if its cookie is there."""
    name = COOKIES.get(visit.audience)
    token = name and visit.cookies.get(visit.cookie_name(name))
    if not token:
        return
    now, token_hash = visit.services.clock.now(), hash_token(token)
    find = _find_member if visit.audience == MEMBER else _find_staff
    last_seen_at = await find(visit, token_hash, now)
    if last_seen_at is not None and now - last_seen_at > SEEN_EVERY:
        async with unit_of_work(visit.services.sessions) as session:
            await note_seen(session, token_hash, now=now)


async def _find_member(visit: Visit, token_hash: bytes, _now: datetime) -> datetime | None:
    """Note who comes, if the session is open; when they were seen last."""
    found = await visit.services.members.get(token_hash)
    if found is None:
        return None
    account = visit.account = found.account
    name = account.name or (account.phone or "")[-4:]
    visit.actor = Actor(MEMBER, token_hash, name, found.locale, member_id=account.member_id, has_news=found.has_news)
    return found.last_seen_at


async def _find_staff(visit: Visit, token_hash: bytes, now: datetime) -> datetime | None:
    values = {"token_hash": token_hash, "now": now, "audience": visit.audience}

    async def ask(connection: AsyncConnection[Any]) -> Any:
        cursor = connection.cursor(row_factory=namedtuple_row)
        return await (await cursor.execute(_OF_STAFF, values)).fetchone()

    row = await visit.services.reader.read(ask)
    if row is None:
        return None
    visit.actor = _staff_of(row, visit.audience, token_hash)
    last_seen_at: datetime = row.last_seen_at
    return last_seen_at


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


def _staff_of(row: Any, audience: str, token_hash: bytes) -> Actor:
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
