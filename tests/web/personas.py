"""The people of the tests: a member and another, staff of two partners, operators; and how they sign in."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Any

import httpx
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.staff import create_staff
from liyu.core.database import Sessions, unit_of_work
from liyu.core.ledger.models import Account
from liyu.core.outbox import OutboxMessage
from liyu.members.models import Member, Tier
from liyu.partners.models import Partner

PASSWORD = "correct horse battery"
PHONE = "+8613800138000"
OTHER_PHONE = "+8613900139000"
JOINED = datetime(2026, 1, 5, 4, 0, tzinfo=UTC)
HOMES = {"partner": "/partner", "operator": "/console"}
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass(frozen=True)
class People:
    """Ids of the people made by `populate`."""

    member_id: int
    other_member_id: int
    partner_id: int
    other_partner_id: int


async def populate(sessions: Sessions) -> People:
    """Two members, two partners with an owner and a cashier each, and one operator of every role."""
    async with unit_of_work(sessions) as session:
        members = [await add_member(session, "M1", PHONE), await add_member(session, "M2", OTHER_PHONE)]
        partners = []
        for code in ("alpha", "beta"):
            partner = Partner(
                code=code,
                name_zh=f"{code}公司",
                name_en=code.title(),
                category="coffee",
                state="active",
                created_at=JOINED,
            )
            session.add(partner)
            await session.flush()
            partners.append(partner)
            for role in ("owner", "cashier"):
                await add_staff(session, f"{role}@{code}.example", "partner", role, partner_id=partner.id)
        for role in ("admin", "operator", "finance", "service"):
            await add_staff(session, f"{role}@liyu.example", "operator", role)
        return People(members[0].id, members[1].id, partners[0].id, partners[1].id)


async def add_member(session: AsyncSession, external_id: str, phone: str, **values: Any) -> Member:
    """One active member with empty accounts in the lowest tier, which is made where there is none."""
    tier = await session.scalar(select(Tier).order_by(Tier.rank))
    if tier is None:
        tier = Tier(
            code="basic",
            rank=1,
            name_zh="普通",
            name_en="Basic",
            threshold=0,
            multiplier_basis_points=10_000,
            validity_months=12,
        )
        session.add(tier)
        await session.flush()
    defaults: dict[str, Any] = {
        "card_number": f"C-{external_id}",
        "name": "王倩",
        "state": "active",
        "joined_at": JOINED,
    }
    member = Member(external_id=external_id, phone=phone, tier_id=tier.id, growth=0, **(defaults | values))
    session.add(member)
    await session.flush()
    kinds = ("member_points", "member_pending", "member_debt")
    session.add_all(Account(kind=kind, unit="PTS", member_id=member.id, balance=0) for kind in kinds)
    await session.flush()
    return member


async def add_staff(session: AsyncSession, email: str, audience: str, role: str, partner_id: int | None = None) -> int:
    """One staff account with the password of the tests."""
    staff = await create_staff(
        session,
        email=email,
        name=role.title(),
        password=PASSWORD,
        audience=audience,
        role=role,
        partner_id=partner_id,
        now=JOINED,
    )
    return staff.id


def token_in(answer: httpx.Response) -> str:
    """The CSRF token of a page's first form."""
    found = _TOKEN.search(answer.text)
    assert found, answer.text
    return unescape(found.group(1))


def field_in(answer: httpx.Response, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', answer.text)
    assert found, answer.text
    return unescape(found.group(1))


async def sign_in_staff(client: httpx.AsyncClient, email: str, audience: str, **fields: str) -> httpx.Response:
    """Go through the sign-in page of the portal or the console."""
    address = f"{HOMES[audience]}/login"
    token = token_in(await client.get(address))
    return await client.post(address, data={"csrf_token": token, "email": email, "password": PASSWORD, **fields})


async def sign_in_member(
    client: httpx.AsyncClient, sessions: Sessions, phone: str = PHONE, **fields: str
) -> httpx.Response:
    """Go through the mall's sign-in with the code from the outbox."""
    token = token_in(await client.get("/login"))
    asked = await client.post("/login/code", data={"csrf_token": token, "phone": phone, **fields})
    code = await latest_code(sessions, phone)
    return await client.post(
        "/login",
        data={"csrf_token": token_in(asked), "phone": phone, "next": field_in(asked, "next"), "code": code},
    )


async def latest_code(sessions: Sessions, phone: str) -> str:
    """The code of the newest SMS to a phone."""
    async with sessions() as session:
        body = await session.scalar(
            select(OutboxMessage.body)
            .where(OutboxMessage.recipient == phone)
            .order_by(OutboxMessage.id.desc())
            .limit(1)
        )
    found = re.search(r"\b\d{6}\b", body or "")
    assert found, body
    return found.group()
