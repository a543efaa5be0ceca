import httpx
import pytest
from sqlalchemy import func, select

from liyu.core.access.models import AccessSession
from liyu.core.database import Sessions
from tests.web.conftest import OpenClient
from tests.web.personas import PASSWORD, populate, sign_in_staff, token_in

CREDENTIALS = {"email": "admin@liyu.example", "password": PASSWORD, "next": ""}


@pytest.fixture(autouse=True)
async def _people(sessions: Sessions) -> None:
    await populate(sessions)


async def test_a_form_without_token_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, sessions: Sessions
) -> None:
    answer = await client.post("/console/login", data=CREDENTIALS)
    assert answer.status_code == 403
    assert "out of date" in answer.text
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(AccessSession)) == 0


async def test_a_token_of_another_visitor_is_refused(open_client: OpenClient) -> None:
    attacker, victim = open_client(), open_client()
    token = token_in(await attacker.get("/console/login"))
    await victim.get("/console/login")
    assert (await victim.post("/console/login", data={**CREDENTIALS, "csrf_token": token})).status_code == 403


async def test_a_guests_planted_token_is_worth_nothing_once_signed_in(client: httpx.AsyncClient) -> None:
    planted = token_in(await client.get("/console/login"))
    await sign_in_staff(client, "admin@liyu.example", "operator")
    assert (await client.post("/console/sign-out", data={"csrf_token": planted})).status_code == 403
    assert (await client.get("/console/account/security")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "", "origin": "https://evil.example"},
    ],
)
async def test_a_foreign_sender_is_refused_even_with_the_right_token(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    token = token_in(await client.get("/console/login"))
    answer = await client.post("/console/login", data={**CREDENTIALS, "csrf_token": token}, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://127.0.0.1.evil.example"])
async def test_without_fetch_metadata_the_origin_decides(open_client: OpenClient, origin: str) -> None:
    client = open_client()
    del client.headers["sec-fetch-site"]
    token = token_in(await client.get("/console/login"))
    fields = {**CREDENTIALS, "csrf_token": token}
    assert (await client.post("/console/login", data=fields, headers={"origin": origin})).status_code == 403
    own = {"origin": "http://127.0.0.1:8000"}
    assert (await client.post("/console/login", data=fields, headers=own)).status_code == 303


async def test_htmx_sends_the_token_in_a_header(client: httpx.AsyncClient) -> None:
    token = token_in(await client.get("/console/login"))
    answer = await client.post(
        "/console/login", data=CREDENTIALS, headers={"x-csrf-token": token, "hx-request": "true"}
    )
    assert answer.status_code == 200
    assert answer.headers["hx-redirect"] == "/console"


async def test_a_multipart_form_is_read_too(client: httpx.AsyncClient) -> None:
    token = token_in(await client.get("/console/login"))
    files = {"unused": ("a.txt", b"text", "text/plain")}
    answer = await client.post("/console/login", data={**CREDENTIALS, "csrf_token": token}, files=files)
    assert answer.status_code == 303


async def test_a_refused_fragment_says_so_in_the_region_for_notices(client: httpx.AsyncClient) -> None:
    answer = await client.post("/console/login", data=CREDENTIALS, headers={"hx-request": "true"})
    assert answer.status_code == 403
    assert answer.headers["hx-retarget"] == "#toasts"
    assert "<html" not in answer.text
