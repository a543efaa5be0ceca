from datetime import timedelta

import httpx
import pyotp
import pytest
from sqlalchemy import func, select

from liyu.core.access.models import AccessSession, LoginCode, Staff
from liyu.core.audit import AuditEvent
from liyu.core.clock import FixedClock
from liyu.core.database import Sessions, unit_of_work
from liyu.core.outbox import OutboxMessage
from liyu.web.formats import format_phone
from tests.web.conftest import OpenClient
from tests.web.personas import (
    PASSWORD,
    PHONE,
    People,
    add_member,
    field_in,
    latest_code,
    populate,
    sign_in_member,
    sign_in_staff,
    token_in,
)


@pytest.fixture
async def people(sessions: Sessions) -> People:
    return await populate(sessions)


async def _count(sessions: Sessions, table: type) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_a_member_signs_in_with_the_code_that_was_sent(
    client: httpx.AsyncClient, sessions: Sessions, people: People
) -> None:
    answer = await sign_in_member(client, sessions, next="/account/security")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/account/security"
    cookie = next(text for text in answer.headers.get_list("set-cookie") if text.startswith("liyu_member="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert (await client.get("/account/security")).status_code == 200


async def test_an_unknown_phone_gets_the_same_answer_and_no_message(
    client: httpx.AsyncClient, sessions: Sessions, people: People
) -> None:
    token = token_in(await client.get("/login"))
    answers = []
    for phone in (PHONE, "+8613700000000"):
        answer = await client.post("/login/code", data={"csrf_token": token, "phone": phone})
        assert answer.status_code == 200
        answers.append(answer.text.replace(phone, "…").replace(format_phone(phone), "…"))
    assert answers[0] == answers[1]
    assert await _count(sessions, OutboxMessage) == 1


async def test_another_code_and_another_number_lead_where_one_wanted_to_go(
    client: httpx.AsyncClient, sessions: Sessions, people: People
) -> None:
    wanted = "/items/CUP/redeem"
    token = token_in(await client.get("/login"))
    asked = await client.post("/login/code", data={"csrf_token": token, "phone": PHONE, "next": wanted})
    assert 'href="/login?next=%2Fitems%2FCUP%2Fredeem"' in asked.text
    first = await latest_code(sessions, PHONE)
    fields = {name: field_in(asked, name) for name in ("csrf_token", "phone", "next")}
    again = await client.post("/login/code", data=fields)
    assert await _count(sessions, OutboxMessage) == 2
    old = await client.post("/login", data=fields | {"code": first})
    code = await latest_code(sessions, PHONE)
    assert old.status_code == 422 or first == code
    assert 'href="/login?next=%2Fitems%2FCUP%2Fredeem"' in old.text
    signed_in = await client.post(
        "/login", data={"csrf_token": token_in(again), "phone": PHONE, "next": wanted, "code": code}
    )
    assert signed_in.headers["location"] == wanted


async def test_a_code_works_once(client: httpx.AsyncClient, sessions: Sessions, people: People) -> None:
    await sign_in_member(client, sessions)
    code = await latest_code(sessions, PHONE)
    client.cookies.clear()
    token = token_in(await client.get("/login"))
    again = await client.post("/login", data={"csrf_token": token, "phone": PHONE, "code": code})
    assert again.status_code == 422
    assert "liyu_member" not in client.cookies


async def test_a_code_ends_after_five_minutes(
    client: httpx.AsyncClient, sessions: Sessions, people: People, clock: FixedClock
) -> None:
    token = token_in(await client.get("/login"))
    await client.post("/login/code", data={"csrf_token": token, "phone": PHONE})
    clock.instant += timedelta(minutes=5)
    code = await latest_code(sessions, PHONE)
    assert (await client.post("/login", data={"csrf_token": token, "phone": PHONE, "code": code})).status_code == 422


async def test_five_wrong_guesses_use_a_code_up(client: httpx.AsyncClient, sessions: Sessions, people: People) -> None:
    token = token_in(await client.get("/login"))
    await client.post("/login/code", data={"csrf_token": token, "phone": PHONE})
    code = await latest_code(sessions, PHONE)
    wrong = "000000" if code != "000000" else "111111"
    for _ in range(5):
        assert (
            await client.post("/login", data={"csrf_token": token, "phone": PHONE, "code": wrong})
        ).status_code == 422
    assert (await client.post("/login", data={"csrf_token": token, "phone": PHONE, "code": code})).status_code == 422
    async with sessions() as session:
        assert await session.scalar(select(LoginCode.attempts)) == 5


async def test_asking_for_codes_is_limited_by_phone(
    client: httpx.AsyncClient, sessions: Sessions, people: People, clock: FixedClock
) -> None:
    token = token_in(await client.get("/login"))
    for _ in range(5):
        assert (await client.post("/login/code", data={"csrf_token": token, "phone": PHONE})).status_code == 200
    refused = await client.post("/login/code", data={"csrf_token": token, "phone": PHONE})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 3500
    assert "Too many attempts" in refused.text
    assert await _count(sessions, OutboxMessage) == 5
    clock.instant += timedelta(hours=1)
    assert (await client.post("/login/code", data={"csrf_token": token, "phone": PHONE})).status_code == 200


async def test_a_closed_member_gets_no_code_and_an_open_session_ends(
    client: httpx.AsyncClient, sessions: Sessions, people: People
) -> None:
    async with unit_of_work(sessions) as session:
        await add_member(session, "M9", "+8613600000000", state="closed")
    token = token_in(await client.get("/login"))
    await client.post("/login/code", data={"csrf_token": token, "phone": "+8613600000000"})
    assert await _count(sessions, OutboxMessage) == 0


@pytest.mark.parametrize(
    ("email", "audience", "home"),
    [("cashier@alpha.example", "partner", "/partner"), ("admin@liyu.example", "operator", "/console")],
)
async def test_staff_sign_in_with_their_password(
    client: httpx.AsyncClient, sessions: Sessions, people: People, email: str, audience: str, home: str
) -> None:
    answer = await sign_in_staff(client, email.upper(), audience)
    assert answer.status_code == 303
    assert answer.headers["location"] == home
    assert (await client.get(f"{home}/account/security")).status_code == 200
    async with sessions() as session:
        assert await session.scalar(select(AuditEvent.action)) == "session.open"


async def test_a_wrong_password_and_an_unknown_email_look_alike(
    client: httpx.AsyncClient, sessions: Sessions, people: People
) -> None:
    wrong = await sign_in_staff(client, "admin@liyu.example", "operator", password="wrong")
    unknown = await sign_in_staff(client, "nobody@liyu.example", "operator", password="wrong")
    assert wrong.status_code == unknown.status_code == 422
    assert wrong.text.replace("admin@", "nobody@") == unknown.text
    assert "wrong" not in wrong.text
    assert await _count(sessions, AccessSession) == 0


async def test_partner_staff_cannot_sign_in_to_the_console(client: httpx.AsyncClient, people: People) -> None:
    assert (await sign_in_staff(client, "owner@alpha.example", "operator")).status_code == 422


async def test_guessing_passwords_is_limited_even_for_the_right_one(
    client: httpx.AsyncClient, sessions: Sessions, people: People
) -> None:
    for _ in range(10):
        assert (await sign_in_staff(client, "admin@liyu.example", "operator", password="wrong")).status_code == 422
    refused = await sign_in_staff(client, "admin@liyu.example", "operator")
    assert refused.status_code == 429
    assert await _count(sessions, AccessSession) == 0


async def test_sign_in_gives_a_new_token_whatever_was_planted(
    open_client: OpenClient, sessions: Sessions, people: People
) -> None:
    victim, attacker = open_client(), open_client()
    for client in (victim, attacker):
        client.cookies.set("liyu_operator", "planted-token", domain="127.0.0.1")
    await sign_in_staff(victim, "admin@liyu.example", "operator")
    assert victim.cookies.get("liyu_operator", domain="127.0.0.1") is not None
    answer = await attacker.get("/console/account/security")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/login")


async def test_signing_in_again_ends_the_former_session(
    open_client: OpenClient, sessions: Sessions, people: People
) -> None:
    client, thief = open_client(), open_client()
    await sign_in_member(client, sessions)
    stolen = client.cookies["liyu_member"]
    thief.cookies.set("liyu_member", stolen)
    assert (await thief.get("/account/security")).status_code == 200
    token = token_in(await client.get("/account/security"))
    asked = await client.post("/login/code", data={"csrf_token": token, "phone": PHONE})
    code = await latest_code(sessions, PHONE)
    answer = await client.post("/login", data={"csrf_token": token_in(asked), "phone": PHONE, "code": code})
    assert answer.status_code == 303
    assert client.cookies["liyu_member"] != stolen
    assert (await thief.get("/account/security")).status_code == 303


async def test_signing_out_ends_the_session_for_good(
    open_client: OpenClient, sessions: Sessions, people: People
) -> None:
    client, thief = open_client(), open_client()
    await sign_in_staff(client, "owner@alpha.example", "partner")
    thief.cookies.set("liyu_partner", client.cookies["liyu_partner"])
    token = token_in(await client.get("/partner/account/security"))
    answer = await client.post("/partner/sign-out", data={"csrf_token": token})
    assert answer.status_code == 303
    assert "liyu_partner" not in client.cookies
    assert (await thief.get("/partner/account/security")).status_code == 303


async def test_a_session_ends_by_itself(client: httpx.AsyncClient, people: People, clock: FixedClock) -> None:
    await sign_in_staff(client, "admin@liyu.example", "operator")
    clock.instant += timedelta(hours=11, minutes=59)
    assert (await client.get("/console/account/security")).status_code == 200
    clock.instant += timedelta(minutes=1)
    assert (await client.get("/console/account/security")).status_code == 303


async def test_staff_who_left_are_out_at_once(client: httpx.AsyncClient, sessions: Sessions, people: People) -> None:
    await sign_in_staff(client, "admin@liyu.example", "operator")
    async with unit_of_work(sessions) as session:
        staff = await session.scalar(select(Staff).where(Staff.email == "admin@liyu.example"))
        assert staff is not None
        staff.active = False
    assert (await client.get("/console/account/security")).status_code == 303


async def test_one_device_signs_another_out_but_not_someone_elses(
    open_client: OpenClient, sessions: Sessions, people: People
) -> None:
    phone, desktop, stranger = open_client(), open_client(), open_client()
    await sign_in_staff(phone, "owner@alpha.example", "partner")
    await sign_in_staff(stranger, "owner@beta.example", "partner")
    strangers_page = await stranger.get("/partner/account/security")
    await sign_in_staff(desktop, "owner@alpha.example", "partner")
    security = await desktop.get("/partner/account/security")
    device = field_in(security, "device")
    refused = await stranger.post(
        "/partner/account/security/sessions/end", data={"csrf_token": token_in(strangers_page), "device": device}
    )
    assert refused.status_code == 404
    assert (await phone.get("/partner/account/security")).status_code == 200
    ended = await desktop.post(
        "/partner/account/security/sessions/end", data={"csrf_token": token_in(security), "device": device}
    )
    assert ended.status_code == 303
    assert (await phone.get("/partner/account/security")).status_code == 303
    assert (await desktop.get("/partner/account/security")).status_code == 200
    assert "Signed out there." not in (await desktop.get("/partner/account/security")).text


async def test_two_step_sign_in_from_on_to_off(
    client: httpx.AsyncClient, sessions: Sessions, people: People, clock: FixedClock
) -> None:
    await sign_in_staff(client, "finance@liyu.example", "operator")
    security = await client.get("/console/account/security")
    secret = security.text.split('<code class="nowrap">')[1].split("</code>")[0].replace(" ", "")
    app = pyotp.TOTP(secret)
    fields = {"csrf_token": token_in(security), "sealed_secret": field_in(security, "sealed_secret")}
    assert (await client.post("/console/account/security/two-step", data=fields | {"code": "12"})).status_code == 422
    turned_on = await client.post("/console/account/security/two-step", data=fields | {"code": app.at(clock.instant)})
    assert turned_on.status_code == 303

    client.cookies.clear()
    asked = await sign_in_staff(client, "finance@liyu.example", "operator")
    assert asked.status_code == 200
    assert "liyu_operator" not in client.cookies
    step = {"csrf_token": token_in(asked), "ticket": field_in(asked, "ticket"), "next": ""}
    replayed = await client.post("/console/login/code", data=step | {"code": app.at(clock.instant)})
    assert replayed.status_code == 422
    clock.instant += timedelta(seconds=60)
    let_in = await client.post("/console/login/code", data=step | {"code": app.at(clock.instant)})
    assert let_in.status_code == 303
    assert client.cookies["liyu_operator"]

    clock.instant += timedelta(seconds=60)
    token = token_in(await client.get("/console/account/security"))
    off = await client.post(
        "/console/account/security/two-step/off", data={"csrf_token": token, "code": app.at(clock.instant)}
    )
    assert off.status_code == 303
    client.cookies.clear()
    assert (await sign_in_staff(client, "finance@liyu.example", "operator")).status_code == 303


async def test_a_forged_ticket_does_not_replace_the_password(client: httpx.AsyncClient, people: People) -> None:
    token = token_in(await client.get("/console/login"))
    answer = await client.post(
        "/console/login/code", data={"csrf_token": token, "ticket": "MQ.forged", "code": "000000", "next": ""}
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/login"


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:1"])
async def test_next_leads_nowhere_else(client: httpx.AsyncClient, people: People, elsewhere: str) -> None:
    answer = await sign_in_staff(client, "admin@liyu.example", "operator", next=elsewhere)
    assert answer.headers["location"] == "/console"


async def test_the_outbox_shows_the_code_on_a_development_machine(
    client: httpx.AsyncClient, sessions: Sessions, people: People
) -> None:
    await sign_in_member(client, sessions)
    assert await latest_code(sessions, PHONE) in (await client.get("/dev/outbox")).text


async def test_passwords_and_tokens_are_stored_as_hashes_only(
    client: httpx.AsyncClient, sessions: Sessions, people: People
) -> None:
    await sign_in_staff(client, "admin@liyu.example", "operator")
    async with sessions() as session:
        row = await session.scalar(select(AccessSession))
        staff = await session.scalar(select(Staff))
    assert row is not None
    assert staff is not None
    assert client.cookies["liyu_operator"].encode() not in row.token_hash
    assert PASSWORD not in staff.password_hash
